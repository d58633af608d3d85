//! What an operator demands of passwords and accounts: Keystone's `[security_compliance]`, with its names and defaults.

use crate::IdentityError;
use controller_base::{Secret, Timestamp};
use regex::Regex;
use serde::Deserialize;

const DAY: i64 = 86_400;

/// Demands of passwords and accounts; zero or empty: none.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compliance {
    /// After how many days without a token an account counts as disabled.
    pub disable_user_account_days_inactive: i64,
    /// After how many wrong passwords in a row an account is locked.
    pub lockout_failure_attempts: i64,
    /// How long it stays locked, seconds; zero: until somebody enables the user.
    pub lockout_duration: i64,
    /// After how many days a new password ends.
    pub password_expires_days: i64,
    /// How many of the last passwords a new one must differ from.
    pub unique_last_password_count: i64,
    /// How many days users keep a password that they chose.
    pub minimum_password_age: i64,
    /// What a password must look like.
    pub password_regex: String,
    /// The same in words, for users.
    pub password_regex_description: String,
    /// Whether a password that somebody else gave must be changed before it can be used.
    pub change_password_upon_first_use: bool,
    /// Wrong passwords and passcodes a minute for one user, after which further ones are refused unseen; zero: no bound.
    pub guesses_per_minute: u32,
}

impl Default for Compliance {
    fn default() -> Self {
        Self {
            disable_user_account_days_inactive: 0,
            lockout_failure_attempts: 0,
            lockout_duration: 1800,
            password_expires_days: 0,
            unique_last_password_count: 0,
            minimum_password_age: 0,
            password_regex: String::new(),
            password_regex_description: String::new(),
            change_password_upon_first_use: false,
            guesses_per_minute: 60,
        }
    }
}

impl Compliance {
    /// When a password ends that is made now.
    pub(crate) fn end_of_new(&self, now: Timestamp) -> Option<Timestamp> {
        let end = now.plus_seconds(self.password_expires_days.saturating_mul(DAY));
        (self.password_expires_days > 0).then_some(Timestamp(end.0 / 1_000_000 * 1_000_000))
    }

    /// Whether an account is locked after so many failures, the last of them then.
    pub(crate) fn is_locked(&self, failures: i64, last: Option<Timestamp>, now: Timestamp) -> bool {
        let over = || last.is_some_and(|last| last.plus_seconds(self.lockout_duration) <= now);
        self.lockout_failure_attempts > 0
            && failures >= self.lockout_failure_attempts
            && (self.lockout_duration == 0 || !over())
    }

    /// Whether an account that was last used then has slept for too long.
    pub(crate) fn is_asleep(&self, last: Timestamp, now: Timestamp) -> bool {
        let day = |moment: Timestamp| moment.0.div_euclid(DAY * 1_000_000);
        let most = self.disable_user_account_days_inactive;
        most > 0 && day(now) - day(last) >= most
    }

    /// Whether a user may change a password of that age; an error tells how long it takes yet.
    pub(crate) fn is_old_enough(&self, made: Timestamp, now: Timestamp) -> Result<(), IdentityError> {
        let end = made.plus_seconds(self.minimum_password_age.saturating_mul(DAY));
        if self.minimum_password_age <= 0 || end <= now {
            return Ok(());
        }
        let left = (end.0 - now.0).div_euclid(DAY * 1_000_000);
        Err(refused(format!(
            "You cannot change your password at this time due to the minimum password age. Once you change your password, it \
             must be used for {} day(s) before it can be changed. Please try again in {left} day(s) or contact your \
             administrator to reset your password.",
            self.minimum_password_age
        )))
    }

    /// The pattern of passwords.
    ///
    /// # Errors
    /// It is no regular expression, or one with more than look-aheads at its beginning.
    pub fn strength(&self) -> Result<Strength, String> {
        Strength::parse(&self.password_regex)
    }

    /// Whether a password looks as it must.
    pub(crate) fn is_strong(&self, strength: &Strength, password: &Secret) -> Result<(), IdentityError> {
        if strength.fits(password.reveal()) {
            return Ok(());
        }
        Err(refused(format!("The password does not match the requirements: {}.", self.password_regex_description)))
    }
}

/// 400, in Keystone's words.
pub(crate) fn refused(reason: String) -> IdentityError {
    IdentityError::Invalid(reason)
}

/// A pattern of passwords. Python's look-aheads at its beginning, as every example has them, become patterns of their own: then
/// none takes more time than the password is long.
#[derive(Clone, Debug, Default)]
pub struct Strength(Vec<(bool, Regex)>);

impl Strength {
    fn parse(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        let mut rest = text.strip_prefix('^').unwrap_or(text);
        loop {
            let wanted = rest.starts_with("(?=");
            if !wanted && !rest.starts_with("(?!") {
                break;
            }
            let end = closing(rest).ok_or("a bracket stays open")?;
            patterns.push((wanted, compile(&rest[3..end])?));
            rest = &rest[end + 1..];
        }
        // Python's match is anchored at the beginning.
        patterns.push((true, compile(rest)?));
        Ok(Self(patterns))
    }

    fn fits(&self, password: &str) -> bool {
        self.0.iter().all(|(wanted, pattern)| pattern.is_match(password) == *wanted)
    }
}

fn compile(text: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{text})")).map_err(|error| error.to_string())
}

/// Where the first bracket closes.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut escaped, mut class) = (0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_790_000_000_500_000);

    #[test]
    fn keystones_example_of_a_pattern_is_understood() {
        let strength = Strength::parse(r"^(?=.*\d)(?=.*[a-zA-Z()])(?!.*\s).{7,}$").unwrap();
        for (password, fits) in
            [("abcdef7", true), ("abcdefg", false), ("1234567", false), ("abc7", false), ("abc def7", false)]
        {
            assert_eq!(strength.fits(password), fits, "{password}");
        }
        assert!(Strength::parse("").unwrap().fits("anything"));
        assert!(Strength::parse("(?=a").is_err());
        assert!(Strength::parse("a(").is_err());
    }

    #[test]
    fn a_locked_account_opens_after_its_time() {
        let rules = Compliance { lockout_failure_attempts: 3, lockout_duration: 60, ..Compliance::default() };
        assert!(!rules.is_locked(2, Some(NOON), NOON));
        assert!(rules.is_locked(3, Some(NOON), NOON.plus_seconds(59)));
        assert!(!rules.is_locked(3, Some(NOON), NOON.plus_seconds(60)));
        let for_ever = Compliance { lockout_duration: 0, ..rules };
        assert!(for_ever.is_locked(3, Some(NOON), NOON.plus_seconds(1_000_000)));
        assert!(!Compliance::default().is_locked(1000, Some(NOON), NOON));
    }

    #[test]
    fn passwords_end_and_accounts_fall_asleep_by_days() {
        let rules = Compliance {
            password_expires_days: 1,
            minimum_password_age: 2,
            disable_user_account_days_inactive: 2,
            ..Compliance::default()
        };
        assert_eq!(rules.end_of_new(NOON), Some(Timestamp(1_790_086_400_000_000)));
        assert!(rules.is_old_enough(NOON, NOON.plus_seconds(2 * DAY - 1)).is_err());
        assert!(rules.is_old_enough(NOON, NOON.plus_seconds(2 * DAY)).is_ok());
        assert!(!rules.is_asleep(NOON, NOON.plus_seconds(DAY)));
        assert!(rules.is_asleep(NOON, NOON.plus_seconds(2 * DAY)));
        assert_eq!(Compliance::default().end_of_new(NOON), None);
    }
}
