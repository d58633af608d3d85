//! Which hosts a flavor and an image ask for: those with certain traits, those in aggregates with certain metadata, those with certain
//! devices, those with room on one NUMA node.
//!
//! ```text
//! trait:HW_CPU_X86_AVX2 = required | forbidden      of a flavor; of an image only `required`
//! aggregate_instance_extra_specs:KEY = VALUE        of a flavor: a value, or an operator and a value, as Nova has them
//! resources[GROUP]:CLASS = AMOUNT                   of a flavor: no host has others than VCPU, MEMORY_MB and DISK_GB
//! pci_passthrough:alias = NAME:COUNT,...            of a flavor: refused, as no alias is defined
//! hw:numa_nodes = 1                                 of a flavor; of an image hw_numa_nodes: all of the server on one NUMA node
//! accel:device_profile = NAME                       of a flavor: refused, as there is none
//! ```

use crate::aggregate::Aggregate;
use std::collections::BTreeMap;

const TRAIT: &str = "trait:";
const AGGREGATE: &str = "aggregate_instance_extra_specs:";
const RESOURCES: &str = "resources";
/// What every host has.
const CLASSES: [&str; 3] = ["VCPU", "MEMORY_MB", "DISK_GB"];
const ALIAS: &str = "pci_passthrough:alias";
const PROFILE: &str = "accel:device_profile";
const NUMA_NODES: &str = "hw:numa_nodes";
/// What an image says of it.
pub(crate) const NUMA_PROPERTY: &str = "hw_numa_nodes";

/// Traits by what is said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) required: Vec<String>,
    pub(crate) forbidden: Vec<String>,
}

/// The traits that a flavor's extra specs ask for, with those that an image requires. What says something else asks for nothing.
pub(crate) fn traits(extra_specs: &BTreeMap<String, String>, image: &[String]) -> Traits {
    let said = |word: &str| {
        let said = extra_specs.iter().filter(|(_, value)| *value == word);
        said.filter_map(|(key, _)| key.strip_prefix(TRAIT)).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut required = said("required");
    required.extend(image.iter().filter(|name| !required.contains(name)).cloned().collect::<Vec<_>>());
    Traits { required, forbidden: said("forbidden") }
}

/// The traits that an image's properties require.
pub(crate) fn required_by_image(properties: &BTreeMap<String, String>) -> Vec<String> {
    let required = properties.iter().filter(|(_, value)| *value == "required");
    required.filter_map(|(key, _)| key.strip_prefix(TRAIT)).map(str::to_owned).collect()
}

/// A demand that says nothing, or that no host can meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("Invalid value '{value}' for extra spec '{key}'. It is 'required' or 'forbidden'.")]
    Word { key: String, value: String },
    #[error("Invalid value '{value}' for extra spec 'hw:numa_nodes'. It is a number of at least 1.")]
    Number { value: String },
    #[error("'{key}' is '{value}': a server gets one NUMA node here, or any.")]
    Nodes { key: &'static str, value: String },
}

/// Whether all of a server shall be on one NUMA node: as the flavor says; where it says nothing, as the image does.
///
/// # Errors
/// When it shall be on several.
pub(crate) fn one_node(extra_specs: &BTreeMap<String, String>, image: Option<&str>) -> Result<bool, Unknown> {
    let flavor = extra_specs.get(NUMA_NODES).map(|value| (NUMA_NODES, value.as_str()));
    match flavor.or_else(|| image.map(|value| (NUMA_PROPERTY, value))) {
        None => Ok(false),
        Some((_, "1")) => Ok(true),
        Some((key, value)) => Err(Unknown::Nodes { key, value: value.to_owned() }),
    }
}

/// Whether the extra specs say of each trait and of NUMA nodes what is meant.
///
/// # Errors
/// When they say something else.
pub(crate) fn check(extra_specs: &BTreeMap<String, String>) -> Result<(), Unknown> {
    let mut said = extra_specs.iter().filter(|(key, _)| key.starts_with(TRAIT));
    match said.find(|(_, value)| !matches!(value.as_str(), "required" | "forbidden")) {
        Some((key, value)) => Err(Unknown::Word { key: key.clone(), value: value.clone() }),
        None => match extra_specs.get(NUMA_NODES) {
            Some(value) if value.parse().is_ok_and(|nodes: u32| nodes > 0) => Ok(()),
            Some(value) => Err(Unknown::Number { value: value.clone() }),
            None => Ok(()),
        },
    }
}

/// A device that is asked for by a name that nobody gave to one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSuchDevice {
    #[error("PCI alias {0} is not defined")]
    Alias(String),
    #[error("Device profile {0} could not be found.")]
    Profile(String),
}

/// Whether hosts can have the devices that a flavor asks for; a server must not run without one that it needs.
///
/// # Errors
/// When a device is named that there is not.
pub(crate) fn devices(extra_specs: &BTreeMap<String, String>) -> Result<bool, NoSuchDevice> {
    if let Some(aliases) = extra_specs.get(ALIAS) {
        let first = aliases.split([',', ':']).next().unwrap_or_default().trim();
        return Err(NoSuchDevice::Alias(first.to_owned()));
    }
    if let Some(profile) = extra_specs.get(PROFILE) {
        return Err(NoSuchDevice::Profile(profile.clone()));
    }
    let asked =
        extra_specs.iter().filter_map(|(key, amount)| Some((key.strip_prefix(RESOURCES)?.split_once(':')?.1, amount)));
    let mut others = asked.filter(|(class, amount)| !CLASSES.contains(class) && amount.trim() != "0");
    Ok(others.next().is_none())
}

/// Whether a flavor asks for aggregates at all.
pub(crate) fn asks_for_aggregates(extra_specs: &BTreeMap<String, String>) -> bool {
    extra_specs.keys().any(|key| key.starts_with(AGGREGATE))
}

/// Whether the aggregates of a host have all that a flavor asks of them.
pub(crate) fn in_wanted_aggregates(
    hostname: &str,
    aggregates: &[Aggregate],
    extra_specs: &BTreeMap<String, String>,
) -> bool {
    let own: Vec<_> =
        aggregates.iter().filter(|aggregate| aggregate.hosts.iter().any(|host| host == hostname)).collect();
    let mut wanted = extra_specs.iter().filter_map(|(key, value)| Some((key.strip_prefix(AGGREGATE)?, value)));
    wanted.all(|(key, wanted)| {
        let values = own.iter().filter_map(|aggregate| aggregate.metadata.get(key)).flat_map(|value| value.split(','));
        values.map(str::trim).any(|value| satisfies(value, wanted))
    })
}

/// Whether a value is what is wanted: the same, or as an operator says.
fn satisfies(value: &str, wanted: &str) -> bool {
    let mut words = wanted.split_whitespace();
    let Some(operator) = words.next() else { return value == wanted };
    let rest: Vec<_> = words.collect();
    let operand = rest.first().copied();
    let number = |compare: fn(&f64, &f64) -> bool| {
        let pair = value.parse().ok().zip(operand.and_then(|operand| operand.parse().ok()));
        pair.is_some_and(|(value, operand)| compare(&value, &operand))
    };
    let text = |compare: fn(&str, &str) -> bool| operand.is_some_and(|operand| compare(value, operand));
    match operator {
        "=" | ">=" => number(f64::ge),
        "<=" => number(f64::le),
        "==" => number(f64::eq),
        "!=" => number(f64::ne),
        "s==" => text(|value, operand| value == operand),
        "s!=" => text(|value, operand| value != operand),
        "s<" => text(|value, operand| value < operand),
        "s<=" => text(|value, operand| value <= operand),
        "s>" => text(|value, operand| value > operand),
        "s>=" => text(|value, operand| value >= operand),
        "<in>" => text(|value, operand| value.contains(operand)),
        "<all-in>" => !rest.is_empty() && rest.iter().all(|word| value.contains(word)),
        "<or>" => rest.contains(&value),
        _ => value == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::Timestamp;

    fn specs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flavor_and_image_ask_for_traits() {
        let flavor =
            specs(&[("trait:A", "required"), ("trait:B", "forbidden"), ("trait:C", "maybe"), ("x", "required")]);
        let image =
            required_by_image(&specs(&[("trait:A", "required"), ("trait:D", "required"), ("trait:E", "forbidden")]));
        let asked = traits(&flavor, &image);
        assert_eq!((asked.required.join(" "), asked.forbidden.join(" ")), ("A D".to_owned(), "B".to_owned()));
    }

    #[test]
    fn a_mistyped_word_about_a_trait_is_refused() {
        assert!(check(&specs(&[("trait:A", "required"), ("trait:B", "forbidden"), ("x", "Forbidden")])).is_ok());
        assert!(check(&specs(&[("trait:A", "Forbidden")])).is_err());
    }

    #[test]
    fn a_server_is_of_one_numa_node_or_of_none_in_particular() {
        let asks = |flavor: &[(&str, &str)], image| one_node(&specs(flavor), image);
        assert_eq!(asks(&[], None), Ok(false));
        assert_eq!(asks(&[(NUMA_NODES, "1")], None), Ok(true));
        assert_eq!(asks(&[(NUMA_NODES, "1")], Some("2")), Ok(true), "operators' flavors come first");
        assert_eq!(asks(&[], Some("1")), Ok(true));
        assert!(asks(&[], Some("2")).is_err() && asks(&[(NUMA_NODES, "two")], None).is_err());
        assert!(check(&specs(&[(NUMA_NODES, "2")])).is_ok(), "a flavor may ask for what no host has");
        assert!(check(&specs(&[(NUMA_NODES, "0")])).is_err() && check(&specs(&[(NUMA_NODES, "one")])).is_err());
    }

    #[test]
    fn a_device_that_no_host_has_is_not_passed_over() {
        let table = [
            ("hw:cpu_policy", "shared", Ok(true)),
            ("resources:VCPU", "2", Ok(true)),
            ("resources:VGPU", "1", Ok(false)),
            ("resources:VGPU", "0", Ok(true)),
            ("resources1:CUSTOM_FPGA", "1", Ok(false)),
            ("pci_passthrough:alias", "gpu:1,nic:2", Err(NoSuchDevice::Alias("gpu".to_owned()))),
            ("accel:device_profile", "crypto", Err(NoSuchDevice::Profile("crypto".to_owned()))),
        ];
        for (key, value, expected) in table {
            assert_eq!(devices(&specs(&[(key, value)])), expected, "{key}={value}");
        }
    }

    #[test]
    fn values_are_compared_as_nova_does() {
        let table = [
            ("ssd", "ssd", true),
            ("ssd", "hdd", false),
            ("10", "= 9", true),
            ("8", ">= 9", false),
            ("x", ">= 9", false),
            ("2", "== 2.0", true),
            ("2", "!= 2", false),
            ("b", "s> a", true),
            ("ssd", "s!= ssd", false),
            ("fast ssd", "<in> ssd", true),
            ("avx aes", "<all-in> avx aes", true),
            ("avx", "<all-in> avx aes", false),
            ("b", "<or> a <or> b", true),
            ("c", "<or> a <or> b", false),
            ("", "", true),
            ("x", " ", false),
        ];
        for (value, wanted, fits) in table {
            assert_eq!(satisfies(value, wanted), fits, "{value:?} {wanted:?}");
        }
    }

    #[test]
    fn each_thing_asked_of_aggregates_is_in_one_of_the_host_s() {
        let aggregate = |hosts: &[&str], metadata: &[(&str, &str)]| Aggregate {
            id: 1,
            uuid: String::new(),
            name: String::new(),
            metadata: specs(metadata),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            created_at: Timestamp(0),
            updated_at: None,
        };
        let all = [aggregate(&["a", "b"], &[("disk", "ssd,nvme")]), aggregate(&["a"], &[("rack", "1")])];
        let fits = |host: &str, asked: &[(&str, &str)]| {
            let asked: Vec<_> = asked.iter().map(|(key, value)| (format!("{AGGREGATE}{key}"), *value)).collect();
            let asked: Vec<_> = asked.iter().map(|(key, value)| (key.as_str(), *value)).collect();
            in_wanted_aggregates(host, &all, &specs(&asked))
        };
        assert!(fits("a", &[("disk", "nvme"), ("rack", "1")]));
        assert!(!fits("b", &[("disk", "nvme"), ("rack", "1")]));
        assert!(fits("b", &[("disk", "ssd")]) && !fits("c", &[("disk", "ssd")]) && fits("c", &[]));
    }
}
