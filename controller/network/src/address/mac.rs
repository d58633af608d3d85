//! Hardware addresses of ports.

use rand::Rng;

/// The first three bytes of those that we hand out, as in every OpenStack.
const BASE: [u8; 3] = [0xfa, 0x16, 0x3e];

/// A random one in its text form.
pub fn random(rng: &mut impl Rng) -> String {
    let tail: [u8; 3] = rng.random();
    render([BASE[0], BASE[1], BASE[2], tail[0], tail[1], tail[2]])
}

/// Lower case with colons.
#[must_use]
pub fn render(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Reads the forms that Neutron takes: colons, dashes, dots or nothing between the digits.
#[must_use]
pub fn parse(text: &str) -> Option<[u8; 6]> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":-.".contains(&byte)) {
        return None;
    }
    let separated: Vec<&str> = text.split([':', '-']).collect();
    let digits: String = match separated.len() {
        6 => separated.iter().map(|part| format!("{part:0>2}")).collect(),
        1 => text.replace('.', ""),
        _ => return None,
    };
    let number = (digits.len() == 12).then(|| u64::from_str_radix(&digits, 16).ok()).flatten()?;
    let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
    Some([a, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ones_have_our_prefix() {
        let mac = random(&mut rand::rng());
        assert!(mac.starts_with("fa:16:3e:"));
        assert_eq!(render(parse(&mac).unwrap()), mac);
    }

    #[test]
    fn the_usual_forms_are_read() {
        for text in ["FA:16:3E:00:00:01", "fa-16-3e-0-0-1", "fa16.3e00.0001", "fa163e000001"] {
            assert_eq!(parse(text).map(render).as_deref(), Some("fa:16:3e:00:00:01"), "{text}");
        }
        for text in ["", "fa:16:3e:00:00", "fa:16:3e:00:00:zz", "fa:16:3e:00:00:001:"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
