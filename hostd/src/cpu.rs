//! What the machine's processors are, as the kernel tells it in `/proc/cpuinfo`: that of the first, since all are alike.

use humilis_proto::federation::Cpu;
use std::fs;

/// This machine's processor; empty where the kernel tells nothing.
#[must_use]
pub fn found() -> Cpu {
    read(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

fn read(text: &str) -> Cpu {
    let first = text.split("\n\n").next().unwrap_or_default();
    let value = |name: &str| {
        let lines = first.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).next().unwrap_or_default()
    };
    Cpu {
        vendor: value("vendor_id").to_owned(),
        model: value("model name").to_owned(),
        features: value("flags").split_whitespace().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_speaks_for_all() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A processor: 3 GHz\nflags\t\t: fpu avx2\nbugs\t\t:\n\n\
                    processor\t: 1\nvendor_id\t: Other\n";
        let cpu = read(text);
        assert_eq!((cpu.vendor.as_str(), cpu.model.as_str()), ("GenuineIntel", "A processor: 3 GHz"));
        assert_eq!(cpu.features, ["fpu", "avx2"]);
        assert_eq!(read(""), Cpu::default());
    }
}
