//! The lists in `images/`.

use anyhow::{Context as _, Result, ensure};
use humilis_harness::paths;
use std::{fs, path::PathBuf};

/// The recipe's folder.
pub fn folder() -> PathBuf {
    paths::root().join("images")
}

/// A list's lines, without comments.
pub fn lines(name: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(folder().join(name)).with_context(|| format!("cannot read images/{name}"))?;
    Ok(parse(&text))
}

/// A list of paths below some folder.
pub fn paths(name: &str) -> Result<Vec<String>> {
    let lines = lines(name)?;
    for path in &lines {
        ensure!(
            !path.starts_with('/') && !path.split('/').any(|part| part == ".."),
            "images/{name}: {path} leads outside"
        );
    }
    Ok(lines)
}

fn parse(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        assert_eq!(parse("# all\n\n one \ntwo\n  # three\n"), ["one", "two"]);
    }

    #[test]
    fn every_list_of_paths_stays_inside() {
        for list in ["modules", "remove"] {
            assert!(!paths(list).unwrap().is_empty(), "{list}");
        }
    }

    #[test]
    fn scripts_are_whole() {
        for script in [
            "initrd/init",
            "tree/usr/lib/humilis/firstboot",
            "tree/usr/lib/humilis/join",
            "tree/usr/lib/humilis/health",
            "tree/usr/lib/humilis/update",
            "tree/usr/lib/humilis/answers",
            "tree/usr/lib/humilis/install",
            "tree/usr/lib/humilis/network",
            "tree/usr/lib/humilis/status",
            "tree/usr/lib/humilis/welcome",
        ] {
            let checked = std::process::Command::new("sh").arg("-n").arg(folder().join(script)).output().unwrap();
            assert!(checked.status.success(), "{script}: {}", String::from_utf8_lossy(&checked.stderr));
        }
    }

    #[test]
    fn every_unit_of_ours_is_enabled() {
        let preset = fs::read_to_string(folder().join("tree/usr/lib/systemd/system-preset/00-humilis.preset")).unwrap();
        for unit in fs::read_dir(paths::root().join("systemd")).unwrap().map(|entry| entry.unwrap().file_name()) {
            let unit = unit.to_string_lossy().into_owned();
            let named = preset.lines().filter_map(|line| line.strip_prefix("enable "));
            let enabled = |name: &str| name == unit || (name == "humilis-*.service" && unit.starts_with("humilis-"));
            assert!(!unit.ends_with(".service") || named.into_iter().any(enabled), "{unit}");
        }
    }
}
