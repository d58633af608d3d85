//! What `GET /allocation_candidates` can be asked.

use super::Candidate;
use crate::{
    PlacementError,
    query::{self, Amounts, Demand, Traits},
    resource_class::{OF_HOST, OF_NODE},
};
use controller_web::{Microversion, Params};
use std::collections::BTreeMap;

/// The parameters of a group.
const OF_GROUP: [&str; 4] = ["resources", "required", "member_of", "in_tree"];
/// The longest suffix.
const LONGEST: usize = 64;

#[derive(Debug)]
pub(super) struct Query {
    /// What is wanted by suffix; `""` for the group without.
    pub(super) groups: BTreeMap<String, Demand>,
    /// What the root of the tree shall be like.
    root: Traits,
    /// Groups with a suffix shall be on different providers.
    isolate: bool,
    pub(super) limit: Option<usize>,
}

impl Query {
    pub(super) fn read(params: &Params, version: Microversion) -> Result<Self, PlacementError> {
        query::only(params, |name| is_known(name, version))?;
        let mut groups = BTreeMap::new();
        for suffix in params.iter().filter_map(|(name, _)| suffix_of(name)) {
            if !groups.contains_key(suffix) {
                groups.insert(suffix.to_owned(), Demand::read(params, suffix, version)?);
            }
        }
        let root =
            params.get("root_required").map_or(Ok(Traits::default()), |text| match text.strip_prefix("in:") {
                None => Traits::read(&[text], version),
                Some(_) => Err(PlacementError::query(format!("'root_required' does not know 'in:'. Got: {text}"))),
            })?;
        complete(&groups, params, version)?;
        let isolate = isolation(params, groups.keys().filter(|suffix| !suffix.is_empty()).count())?;
        Ok(Self { groups, root, isolate, limit: limit(params)? })
    }

    /// All that is wanted together.
    pub(super) fn sum(&self) -> Amounts {
        let mut sum = Amounts::default();
        self.groups.values().for_each(|group| sum.add(&group.amounts));
        sum
    }

    /// Whether it takes more than one host, or more than one NUMA node.
    pub(super) fn is_split(&self) -> bool {
        let suffixed = || self.groups.iter().filter(|(suffix, _)| !suffix.is_empty()).map(|(_, group)| &group.amounts);
        let apart = |classes| self.isolate && suffixed().filter(|amounts| amounts.name_some(classes)).count() > 1;
        apart(OF_HOST) || apart(OF_NODE) || suffixed().any(|one| one.name_some(OF_HOST) && one.name_some(OF_NODE))
    }

    /// Whether a candidate is as wanted, whatever room it has.
    pub(super) fn suits(&self, candidate: &Candidate) -> bool {
        self.root.fit(&candidate.root().traits())
            && self.groups.values().all(|group| group.suits(&candidate.places(group)))
    }
}

fn is_known(name: &str, version: Microversion) -> bool {
    let since = match name {
        "resources" => 10,
        "limit" => 16,
        "required" => 17,
        "member_of" => 21,
        "group_policy" => 25,
        "in_tree" => 31,
        "root_required" => 35,
        "same_subtree" => 36,
        _ => match suffix_of(name) {
            Some(suffix) if is_number(suffix) => {
                if name.starts_with("in_tree") {
                    31
                } else {
                    25
                }
            }
            Some(suffix) if is_word(suffix) => 33,
            _ => return false,
        },
    };
    version.at_least(1, since)
}

fn suffix_of(name: &str) -> Option<&str> {
    OF_GROUP.iter().find_map(|prefix| name.strip_prefix(prefix))
}

fn is_number(suffix: &str) -> bool {
    !suffix.starts_with('0') && !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(suffix: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !suffix.is_empty() && suffix.len() <= LONGEST && suffix.bytes().all(fits)
}

/// Each group wants resources; since 1.36 one in `same_subtree` need not.
fn complete(groups: &BTreeMap<String, Demand>, params: &Params, version: Microversion) -> Result<(), PlacementError> {
    if !version.at_least(1, 25) && params.get("resources").is_none() {
        return Err(PlacementError::query("'resources' is a required property"));
    }
    if groups.values().all(|group| group.amounts.is_empty()) {
        let missing = "There must be at least one resources or resources[$S] parameter.".to_owned();
        let known = version.at_least(1, 36);
        return Err(if known { PlacementError::MissingValue(missing) } else { PlacementError::Invalid(missing) });
    }
    for (suffix, group) in groups {
        if let Some(names) = group.traits.conflict() {
            let wrong = "Conflicting required and forbidden traits found in the following traits keys";
            return Err(PlacementError::Invalid(format!("{wrong}: required{suffix}: ({names})")));
        }
    }
    let subtrees: Vec<_> = params.all("same_subtree").flat_map(|text| text.split(',')).collect();
    if let Some(wrong) = subtrees.iter().find(|suffix| !groups.contains_key(**suffix)) {
        let message = format!("Real suffixes should be specified in `same_subtree`: '{wrong}' is none.");
        return Err(PlacementError::BadValue(message));
    }
    for (suffix, group) in groups.iter().filter(|(_, group)| group.amounts.is_empty()) {
        if !version.at_least(1, 36) {
            let orphan = if group.traits.is_empty() { "All request groups" } else { "All traits parameters" };
            return Err(PlacementError::Invalid(format!("{orphan} must be associated with resources: '{suffix}'")));
        }
        if !subtrees.contains(&suffix.as_str()) {
            let message = "Resourceless suffixed group request should be specified in `same_subtree` query param";
            return Err(PlacementError::BadValue(format!("{message}: bad group(s) - ['{suffix}'].")));
        }
    }
    Ok(())
}

/// Whether groups shall be apart; whoever asks for several must say.
fn isolation(params: &Params, groups: usize) -> Result<bool, PlacementError> {
    match params.all("group_policy").next() {
        Some("isolate") => Ok(true),
        Some("none") => Ok(false),
        Some(other) => Err(PlacementError::query(format!("'{other}' is not one of ['none', 'isolate']"))),
        None if groups > 1 => Err(PlacementError::Invalid(
            "The \"group_policy\" parameter is required when specifying more than one \"resources{N}\" parameter."
                .to_owned(),
        )),
        None => Ok(false),
    }
}

fn limit(params: &Params) -> Result<Option<usize>, PlacementError> {
    let Some(text) = params.all("limit").next() else { return Ok(None) };
    if !is_number(text) {
        return Err(PlacementError::query(format!("'{text}' does not match '^[1-9][0-9]*$'")));
    }
    // More than there can be hosts is no limit.
    Ok(Some(text.parse().unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str, minor: u16) -> bool {
        Query::read(&Params::parse(query), Microversion::new(1, minor)).is_err()
    }

    #[test]
    fn parameters_are_known_from_their_microversion_on() {
        for (query, minor) in [
            ("limit=1", 16),
            ("required=COMPUTE_NODE", 17),
            ("resources1=VCPU:1", 25),
            ("group_policy=none", 25),
            ("in_tree=6ba7b810-9dad-11d1-80b4-00c04fd430c8", 31),
            ("resources1=VCPU:1&in_tree1=6ba7b810-9dad-11d1-80b4-00c04fd430c8", 31),
            ("resources_NIC=VCPU:1", 33),
            ("root_required=COMPUTE_NODE", 35),
            ("required_A=COMPUTE_NODE&same_subtree=_A", 36),
        ] {
            let query = format!("resources=VCPU:1&{query}");
            assert!(refused(&query, minor - 1), "{query}");
            assert!(!refused(&query, minor), "{query}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for query in [
            "",
            "limit=5",
            "resources=VCPU:1&limit=0",
            "resources=VCPU:1&limit=x",
            "resources=VCPU:1&nonsense=1",
            "resources=VCPU:1&resources!=VCPU:1",
            "resources=VCPU:1&required1=COMPUTE_NODE",
            "resources=VCPU:1&required=COMPUTE_NODE,!COMPUTE_NODE",
            "resources=VCPU:1&group_policy=some",
            "resources1=VCPU:1&resources2=VCPU:1",
            "resources=VCPU:1&same_subtree=_A",
            "resources=VCPU:1&root_required=in:COMPUTE_NODE",
        ] {
            assert!(refused(query, 39), "{query}");
        }
    }
}
