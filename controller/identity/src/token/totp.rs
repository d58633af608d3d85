//! One-time passwords by time: RFC 6238 with HMAC-SHA-1, six digits, thirty seconds, as Keystone and every authenticator have it.

use controller_base::Timestamp;
use ring::hmac;
use subtle::{Choice, ConstantTimeEq};

const PERIOD: i64 = 30;
const DIGITS: u32 = 1_000_000;
/// Passcodes of so many periods before are taken too.
const EARLIER: i64 = 1;

/// Whether it is the passcode of a secret (base32) now, or of the period before.
pub(super) fn fits(secret: &str, passcode: &str, now: Timestamp) -> bool {
    let Some(key) = base32(secret.trim()) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let period = now.0.div_euclid(1_000_000).div_euclid(PERIOD);
    // All are compared, so that time does not tell which one it was.
    let same = |at: i64| generate(&key, at).as_bytes().ct_eq(passcode.as_bytes());
    (0..=EARLIER).map(|back| same(period - back)).fold(Choice::from(0), |any, one| any | one).into()
}

/// For tests: the passcode of that moment.
#[cfg(test)]
pub(crate) fn passcode(secret: &str, now: Timestamp) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret).unwrap());
    generate(&key, now.0.div_euclid(1_000_000).div_euclid(PERIOD))
}

fn generate(key: &hmac::Key, period: i64) -> String {
    let tag = hmac::sign(key, &period.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes.last().copied().unwrap_or_default() & 0xf);
    let word =
        bytes.get(at..at + 4).map_or(0, |four| four.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)));
    format!("{:06}", (word & 0x7fff_ffff) % DIGITS)
}

/// RFC 4648, padding or not.
fn base32(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        held = (held << 5 | u32::from(value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238's appendix B, the last six digits.
    #[test]
    fn the_standards_samples_are_met() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(base32(secret).unwrap(), b"12345678901234567890");
        for (seconds, passcode) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            let now = Timestamp(seconds * 1_000_000);
            assert!(fits(secret, passcode, now), "{seconds}");
            assert!(fits(secret, passcode, now.plus_seconds(30)), "{seconds}: a period later");
            assert!(!fits(secret, passcode, now.plus_seconds(60)), "{seconds}: two later");
            assert!(!fits(secret, passcode, now.plus_seconds(-30)), "{seconds}: before");
        }
        assert!(!fits(secret, "", Timestamp(0)));
        assert!(!fits("no base32!", "000000", Timestamp(0)));
        assert!(!fits("", "000000", Timestamp(0)));
    }
}
