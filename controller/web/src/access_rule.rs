//! The paths of application credentials' access rules.
//!
//! `*` and `{name}` stand for one part of a path, `**` for any number of characters, slashes included; the rest is literal. The
//! source is keystonemiddleware's check, where the whole path must fit.

/// Whether a path fits a rule's.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let parts = parts(pattern);
    // Which parts may come next, for each length of the path that was read: linear in both, whatever the pattern is.
    let mut open = vec![false; parts.len() + 1];
    open[0] = true;
    skip(&parts, &mut open);
    for byte in path.bytes() {
        let mut next = vec![false; parts.len() + 1];
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| open[*at]) {
            match part {
                Part::Byte(wanted) => next[at + 1] |= *wanted == byte,
                Part::Segment if byte != b'/' => {
                    next[at] = true;
                    next[at + 1] = true;
                }
                Part::Segment => {}
                Part::Anything => next[at] = true,
            }
        }
        skip(&parts, &mut next);
        open = next;
    }
    open[parts.len()]
}

#[derive(Clone, Copy)]
enum Part {
    Byte(u8),
    /// One or more bytes without a slash.
    Segment,
    /// Any number of bytes.
    Anything,
}

/// What may stand for nothing may be passed.
fn skip(parts: &[Part], open: &mut [bool]) {
    for (at, part) in parts.iter().enumerate() {
        if open[at] && matches!(part, Part::Anything) {
            open[at + 1] = true;
        }
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::with_capacity(pattern.len());
    let mut rest = pattern.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'*', [b'*', after @ ..]) => {
                parts.push(Part::Anything);
                rest = after;
            }
            (b'*', _) => parts.push(Part::Segment),
            // Brackets without their fellows are passed over, as Keystone does.
            (b'{', _) => {
                if let Some(end) = after.iter().position(|byte| *byte == b'}') {
                    parts.push(Part::Segment);
                    rest = &after[end + 1..];
                }
            }
            (b'}', _) => {}
            (byte, _) => parts.push(Part::Byte(*byte)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_one_part_and_two_are_any() {
        for (pattern, path, fits) in [
            ("/v2.1/servers/*/ips", "/v2.1/servers/1/ips", true),
            ("/v2.1/servers/*/ips", "/v2.1/servers/1/2/ips", false),
            ("/v2.1/servers/*/ips", "/v2.1/servers//ips", false),
            ("/v2.1/servers/{id}", "/v2.1/servers/1", true),
            ("/v2.1/servers/{id}", "/v2.1/servers/1/ips", false),
            ("/v2.1/servers/**", "/v2.1/servers/1/ips", true),
            ("/v2.1/servers/**", "/v2.1/servers/", true),
            ("/v2.1/servers/**", "/v2.1/servers", false),
            ("/v2.1/servers", "/v2.1/servers", true),
            ("/v2.1/servers", "/v2x1/servers", false),
            ("**/ips", "/a/b/ips", true),
            ("/ä/*", "/ä/x", true),
            ("", "", true),
            ("", "/", false),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_length() {
        let pattern = "**".repeat(110);
        assert!(!matches(&format!("{pattern}b"), &"a".repeat(4000)));
    }
}
