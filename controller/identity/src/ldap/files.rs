//! Domains' configurations as files: `keystone.<domain's name>.conf` in a directory, with `[identity]` and `[ldap]`.

use serde_json::{Map, Value};
use std::{collections::BTreeMap, fs, io, path::Path};

/// A file's sections and their options.
pub(super) type Sections = BTreeMap<String, Map<String, Value>>;

/// The files of a directory, by the name of the domain.
pub(super) fn read_all(directory: &Path) -> io::Result<BTreeMap<String, Sections>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(domain) = name.strip_prefix("keystone.").and_then(|rest| rest.strip_suffix(".conf")) {
            all.insert(domain.to_owned(), parse(&fs::read_to_string(&path)?));
        }
    }
    Ok(all)
}

/// Sections with `name = value`; lines with `#` or `;` at their beginning say nothing, a line that is indented goes on with the value
/// before it.
fn parse(text: &str) -> Sections {
    let mut all = Sections::new();
    let (mut section, mut last) = (String::new(), String::new());
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
            continue;
        }
        let options = all.entry(section.clone()).or_default();
        if line.starts_with([' ', '\t']) {
            if let Some(Value::String(before)) = options.get_mut(&last) {
                before.push_str(trimmed);
            }
            continue;
        }
        let (name, value) = trimmed.split_once('=').unwrap_or((trimmed, ""));
        name.trim().clone_into(&mut last);
        options.insert(last.clone(), value.trim().into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keystone_is_understood() {
        let text = "# comment\n[identity]\ndriver = ldap\n\n[ldap]\nurl = ldap://h\nuser_filter = (a=b)\n ; no\n  (c=d)\nuse_tls=\n";
        let all = parse(text);
        assert_eq!(all["identity"]["driver"], "ldap");
        assert_eq!(all["ldap"]["user_filter"], "(a=b)(c=d)");
        assert_eq!(all["ldap"]["use_tls"], "");
        assert_eq!(all["ldap"].len(), 3);
    }

    #[test]
    fn only_domains_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("keystone.acme.conf"), "[identity]\ndriver = ldap\n").unwrap();
        fs::write(directory.path().join("other.conf"), "").unwrap();
        let all = read_all(directory.path()).unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["acme"]);
        assert!(read_all(&directory.path().join("none")).is_err());
    }
}
