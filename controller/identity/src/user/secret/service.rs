//! Rules of passwords.

use super::{Activity, store};
use crate::{
    Identity, IdentityError,
    compliance::refused,
    user::{User, options},
};
use controller_base::{Secret, Timestamp, id::UserId};
use controller_db::Tx;

/// Who gives a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// An administrator, or whoever made the user.
    Administrator,
    /// The user.
    User,
}

impl Identity {
    /// Whether it is the user's password, and the account can be used. What is wrong looks the same from outside, but for a right
    /// password that has expired.
    pub(crate) async fn check_password(&self, user: Option<User>, password: &Secret) -> Result<User, IdentityError> {
        let now = self.clock.now();
        let wrong = || IdentityError::Unauthorized("wrong user or password");
        let Some(user) = user else {
            self.passwords.verify(password, None).await?;
            return Err(wrong());
        };
        self.may_guess(user.id.as_str())?;
        let activity = self.activity(&user).await?;
        let locked = self.compliance.is_locked(activity.failures, activity.failed_at, now);
        if locked && !options::is_on(&user.options, options::IGNORE_LOCKOUT) {
            return Err(IdentityError::Unauthorized("the account is locked"));
        }
        if !self.verify_password(Some(&user), password).await? {
            self.guesses.wrong(user.id.as_str(), now);
            self.count_failure(&user, &activity).await?;
            return Err(wrong());
        }
        self.check_account(&user, &activity)?;
        if self.has_expired(&user) {
            return Err(IdentityError::PasswordExpired(user.id));
        }
        self.count_use(&user, &activity).await?;
        Ok(user)
    }

    /// Refuses a guess where there were too many wrong ones.
    pub(crate) fn may_guess(&self, whose: &str) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.guesses.allow(whose, now).map_err(|seconds| IdentityError::TooManyGuesses { seconds })
    }

    /// Whether a user is enabled, and was here lately where that is asked for.
    pub(crate) fn check_account(&self, user: &User, activity: &Activity) -> Result<(), IdentityError> {
        let exempt = options::is_on(&user.options, options::IGNORE_INACTIVITY);
        let last = activity.active_at.map_or(user.created_at, |active| active.max(user.created_at));
        if !user.enabled || (!exempt && self.compliance.is_asleep(last, self.clock.now())) {
            return Err(IdentityError::Unauthorized("the user is disabled"));
        }
        Ok(())
    }

    /// Looked up only where a rule asks for it.
    pub(crate) async fn activity(&self, user: &User) -> Result<Activity, IdentityError> {
        let rules = &self.compliance;
        if rules.lockout_failure_attempts == 0 && rules.disable_user_account_days_inactive == 0 {
            return Ok(Activity::default());
        }
        Ok(store::activity(&mut *self.db.read().await?, &user.id).await?)
    }

    fn has_expired(&self, user: &User) -> bool {
        let over = user.password_expires_at.is_some_and(|end| end <= self.clock.now());
        over && !options::is_on(&user.options, options::IGNORE_EXPIRY)
    }

    async fn count_failure(&self, user: &User, activity: &Activity) -> Result<(), IdentityError> {
        if self.compliance.lockout_failure_attempts == 0 {
            return Ok(());
        }
        // Not locked though there were enough: their time is over.
        let again = activity.failures >= self.compliance.lockout_failure_attempts;
        let mut tx = self.db.begin().await?;
        store::failed(&mut tx, &user.id, self.clock.now(), again).await?;
        Ok(tx.commit().await?)
    }

    /// Once a day, and after failures.
    async fn count_use(&self, user: &User, activity: &Activity) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let today = activity.active_at.is_some_and(|last| last.plus_seconds(43_200) > now);
        let counts = self.compliance.disable_user_account_days_inactive > 0;
        if activity.failures == 0 && (today || !counts) {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        store::used(&mut tx, &user.id, now).await?;
        Ok(tx.commit().await?)
    }

    /// The hash of a new password that is strong enough.
    pub(crate) async fn hash_new(&self, password: &Secret) -> Result<String, IdentityError> {
        self.compliance.is_strong(&self.strength, password)?;
        self.passwords.hash(password).await
    }

    /// Gives a user a hash that was made before; the old one goes into the history.
    pub(crate) async fn replace_password(
        &self,
        tx: &mut Tx,
        user: &mut User,
        hash: Option<String>,
        by: By,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let most = self.compliance.unique_last_password_count;
        if let Some(old) = user.password_hash.take().filter(|_| most > 1) {
            store::keep(tx, &user.id, &old, now, most - 1).await?;
        }
        self.start_password(user, hash, by);
        store::chosen(tx, &user.id, by == By::User).await?;
        Ok(())
    }

    /// When a new password begins and ends.
    pub(crate) fn start_password(&self, user: &mut User, hash: Option<String>, by: By) {
        let now = self.clock.now();
        let exempt = options::is_on(&user.options, options::IGNORE_EXPIRY);
        user.password_expires_at = self.compliance.end_of_new(now).filter(|_| !exempt && hash.is_some());
        let first_use = by == By::Administrator && self.compliance.change_password_upon_first_use && hash.is_some();
        if first_use && !options::is_on(&user.options, options::IGNORE_FIRST_USE) {
            user.password_expires_at = Some(Timestamp(now.0 / 1_000_000 * 1_000_000));
        }
        (user.password_hash, user.password_changed_at) = (hash, Some(now));
    }

    /// An account that is enabled anew has failed never.
    pub(crate) async fn unlock(&self, tx: &mut Tx, id: &UserId) -> Result<(), IdentityError> {
        Ok(store::used(tx, id, self.clock.now()).await?)
    }

    /// Changes one's own password, knowing the old one, which may have expired.
    pub(crate) async fn change_password(&self, id: &str, old: &Secret, new: Secret) -> Result<(), IdentityError> {
        let found = match self.user(id).await {
            Err(IdentityError::NotFound { .. }) => None,
            other => Some(other?),
        };
        let user = match self.check_password(found.clone(), old).await {
            Err(IdentityError::PasswordExpired(_)) => found,
            other => Some(other?),
        };
        let mut user = user.ok_or(IdentityError::Unauthorized("wrong password"))?;
        self.refuse_foreign_write(&user.domain_id).await?;
        if options::is_on(&user.options, options::LOCK_PASSWORD) {
            return Err(refused(
                "You cannot change your password at this time due to password policy disallowing password changes. Please \
                 contact your administrator to reset your password."
                    .to_owned(),
            ));
        }
        self.may_become(&user, &new).await?;
        let hash = self.hash_new(&new).await?;
        let mut tx = self.db.begin().await?;
        self.replace_password(&mut tx, &mut user, Some(hash), By::User).await?;
        crate::user::store::update(&mut tx, &user).await?;
        self.revoke_user(&mut tx, &user.id).await?;
        Ok(tx.commit().await?)
    }

    /// Whether the old password was kept long enough, and the new one is none of the last.
    async fn may_become(&self, user: &User, new: &Secret) -> Result<(), IdentityError> {
        let count = self.compliance.unique_last_password_count;
        let (activity, earlier) = {
            let mut conn = self.db.read().await?;
            let earlier = store::history(&mut conn, &user.id, (count - 1).max(0)).await?;
            (store::activity(&mut conn, &user.id).await?, earlier)
        };
        if let Some(made) = user.password_changed_at.filter(|_| activity.self_service) {
            self.compliance.is_old_enough(made, self.clock.now())?;
        }
        let last = user.password_hash.clone().into_iter().chain(earlier).filter(|_| count > 0);
        for hash in last {
            if self.passwords.verify(new, Some(hash)).await? {
                return Err(refused(format!(
                    "The new password cannot be identical to a previous password. The total number which includes the new \
                     password must be unique is {count}."
                )));
            }
        }
        Ok(())
    }
}
