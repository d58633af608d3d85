//! What providers can be asked for: amounts of resources, traits, aggregates and trees, in upstream's words.

use crate::{
    PlacementError, Ratios,
    choose::fits,
    provider::Place,
    resource_class::{Class, OF_HOST, OF_NODE, STANDARD},
    traits,
};
use controller_ports::placement::Resources;
use controller_web::{Microversion, Params};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What one provider shall have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) amounts: Amounts,
    pub(crate) traits: Traits,
    /// It shall be in some aggregate: none is.
    pub(crate) aggregated: bool,
    /// It shall be of the tree that this provider is of.
    pub(crate) tree: Option<Uuid>,
}

impl Demand {
    /// Reads `resources`, `required`, `member_of` and `in_tree` with a suffix.
    pub(crate) fn read(params: &Params, suffix: &str, version: Microversion) -> Result<Self, PlacementError> {
        let named = |name: &str| format!("{name}{suffix}");
        let amounts = params.get(&named("resources")).map(Amounts::read).transpose()?.unwrap_or_default();
        let (required, member_of) = (named("required"), named("member_of"));
        let mut required: Vec<_> = params.all(&required).collect();
        if !version.at_least(1, 39) {
            // Before, only the last one counted.
            required.drain(..required.len().saturating_sub(1));
        }
        let member_of: Vec<_> = params.all(&member_of).collect();
        if member_of.len() > 1 && !version.at_least(1, 24) {
            return Err(PlacementError::Invalid(format!("Multiple member_of{suffix} parameters are not supported")));
        }
        let mut aggregated = false;
        for text in member_of {
            match forbids_aggregates(text)? {
                true if !version.at_least(1, 32) => {
                    return Err(PlacementError::Invalid(format!(
                        "Forbidden member_of{suffix} parameters are not supported in the specified microversion"
                    )));
                }
                // No host is in any.
                true => {}
                false => aggregated = true,
            }
        }
        let tree = params.get(&named("in_tree")).map(|text| uuid("in_tree", text.trim())).transpose()?;
        Ok(Self { amounts, traits: Traits::read(&required, version)?, aggregated, tree })
    }

    /// Whether a provider is and has all that.
    pub(crate) fn is_met(&self, place: &Place<'_>, ratios: &Ratios) -> bool {
        let room = |wanted: Resources| fits(place.total(), place.used(), wanted, &place.ratios(ratios));
        self.suits(&[*place]) && self.amounts.resources(place.classes()).is_some_and(room)
    }

    /// The same without the amounts; of several places of one tree, for what all of them have together.
    pub(crate) fn suits(&self, places: &[Place<'_>]) -> bool {
        let in_tree = self.tree.is_none_or(|tree| places.iter().any(|place| place.provider.place(tree).is_some()));
        let held: Vec<_> = places.iter().flat_map(Place::traits).collect();
        in_tree && !self.aggregated && self.traits.fit(&held)
    }
}

/// Amounts by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts(BTreeMap<&'static str, u64>);

impl Amounts {
    /// Reads `VCPU:1,MEMORY_MB:512`.
    fn read(text: &str) -> Result<Self, PlacementError> {
        let form = |got: &str| {
            PlacementError::Invalid(format!(
                "Badly formed resources parameter. Expected resources query string parameter in form: \
                 ?resources=VCPU:2,MEMORY_MB:1024. Got: {got}."
            ))
        };
        if text.trim().is_empty() {
            return Err(form("empty string"));
        }
        let read = |item: &str| {
            let (name, amount) =
                item.split_once(':').filter(|(_, rest)| !rest.contains(':')).ok_or_else(|| form(item))?;
            let number: i128 = amount.trim().parse().map_err(|_| {
                let wanted = format!("Requested resource {name} expected positive integer amount");
                PlacementError::Invalid(format!("{wanted}. Got: {amount}."))
            })?;
            if number < 1 {
                let wanted = format!("Requested resource {name} requires amount >= 1");
                return Err(PlacementError::Invalid(format!("{wanted}. Got: {number}.")));
            }
            let known = STANDARD.iter().copied().find(|known| *known == name).ok_or_else(|| {
                let wrong = "Invalid resource class in resources parameter";
                PlacementError::Invalid(format!("{wrong}: No such resource class {name}."))
            })?;
            Ok((known, u64::try_from(number).unwrap_or(u64::MAX)))
        };
        text.split(',').map(read).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something of one of these classes is wanted.
    pub(crate) fn name_some(&self, classes: &[Class]) -> bool {
        classes.iter().any(|class| self.names(*class))
    }

    /// Whether something of a class is wanted.
    pub(crate) fn names(&self, class: Class) -> bool {
        self.0.contains_key(class.name())
    }

    /// All of this and all of that.
    pub(crate) fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    /// As what a server takes of who has these classes; `None` where another one is wanted.
    pub(crate) fn resources(&self, classes: &[Class]) -> Option<Resources> {
        let known = |name: &str| classes.iter().any(|class| class.name() == name);
        self.0.keys().all(|name| known(name)).then(|| self.of(classes))
    }

    /// What is wanted of a host, and of a NUMA node of it; `None` where a class is wanted of which neither has anything.
    pub(crate) fn split(&self) -> Option<(Resources, Resources)> {
        let all: Vec<_> = OF_HOST.iter().chain(OF_NODE).copied().collect();
        let known = |name: &str| all.iter().any(|class| class.name() == name);
        self.0.keys().all(|name| known(name)).then(|| (self.of(OF_HOST), self.of(OF_NODE)))
    }

    fn of(&self, classes: &[Class]) -> Resources {
        let sum = |class: Class| {
            let here = classes.contains(&class).then(|| self.0.get(class.name()).copied());
            here.flatten().unwrap_or_default()
        };
        Resources {
            vcpus: sum(Class::Vcpu) + sum(Class::NumaThread),
            memory_mib: sum(Class::MemoryMb) + sum(Class::NumaMemoryMb),
            disk_gib: sum(Class::DiskGb),
        }
    }
}

/// Traits that a provider shall have and shall not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    /// One of each set.
    required: Vec<BTreeSet<&'static str>>,
    forbidden: BTreeSet<&'static str>,
}

impl Traits {
    /// Reads values of `required`: `A,!B`, and since 1.39 `in:A,B`.
    pub(crate) fn read(values: &[&str], version: Microversion) -> Result<Self, PlacementError> {
        let mut all = Self::default();
        for value in values {
            match value.strip_prefix("in:") {
                Some(_) if !version.at_least(1, 39) => {
                    let form = "The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39";
                    return Err(PlacementError::query(format!("{form}. Got: {value}")));
                }
                Some(names) if names.contains('!') => {
                    let form = "The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits";
                    return Err(PlacementError::query(format!("{form}. Got: {value}")));
                }
                Some(names) => {
                    let any = names.split(',').map(|name| known(name, value)).collect::<Result<_, _>>()?;
                    all.required.push(any);
                }
                None => all.read_plain(value, version.at_least(1, 22))?,
            }
        }
        Ok(all)
    }

    /// Traits of which one is required and all are forbidden, if there are such.
    pub(crate) fn conflict(&self) -> Option<String> {
        let conflict = self.required.iter().find(|any| any.is_subset(&self.forbidden))?;
        Some(conflict.iter().copied().collect::<Vec<_>>().join(", "))
    }

    fn read_plain(&mut self, value: &str, may_forbid: bool) -> Result<(), PlacementError> {
        for name in value.split(',').map(str::trim) {
            match name.strip_prefix('!') {
                Some(_) if !may_forbid => {
                    let form = "Expected 'required' parameter value of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC";
                    return Err(PlacementError::query(format!("{form}. Got: {value}")));
                }
                Some(rest) => {
                    self.forbidden.insert(known(rest.trim_start_matches('!'), value)?);
                }
                None => self.required.push(BTreeSet::from([known(name, value)?])),
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.required.is_empty() && self.forbidden.is_empty()
    }

    pub(crate) fn fit(&self, held: &[&str]) -> bool {
        self.required.iter().all(|any| any.iter().any(|name| held.contains(name)))
            && !self.forbidden.iter().any(|name| held.contains(name))
    }
}

fn known(name: &str, value: &str) -> Result<&'static str, PlacementError> {
    if name.trim().is_empty() {
        let form = "Expected 'required' parameter value of the form: HW_CPU_X86_VMX,!CUSTOM_MAGIC";
        return Err(PlacementError::query(format!("{form}. Got an empty trait in: {value}")));
    }
    traits::known(name.trim()).ok_or_else(|| PlacementError::NoTrait(name.trim().to_owned()))
}

/// Reads a value of `member_of`: whether it forbids aggregates. Which ones it names makes no difference.
fn forbids_aggregates(text: &str) -> Result<bool, PlacementError> {
    let (forbids, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let ids: Vec<_> = match rest.strip_prefix("in:") {
        Some(ids) => ids.split(',').collect(),
        None if rest.contains(',') => {
            return Err(PlacementError::Invalid(format!(
                "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid \
                 microversion. Got: {text}"
            )));
        }
        None => vec![rest],
    };
    for id in ids {
        uuid("member_of", id)?;
    }
    Ok(forbids)
}

/// A provider's or aggregate's id in a parameter.
pub(crate) fn uuid(name: &str, text: &str) -> Result<Uuid, PlacementError> {
    Uuid::try_parse(text)
        .map_err(|_| PlacementError::query(format!("Expected '{name}' parameter to be a UUID. Got: {text}")))
}

/// Refuses parameters that the caller does not know.
pub(crate) fn only(params: &Params, known: impl Fn(&str) -> bool) -> Result<(), PlacementError> {
    match params.iter().find(|(name, _)| !known(name)) {
        None => Ok(()),
        Some((name, _)) => {
            Err(PlacementError::query(format!("Additional properties are not allowed ('{name}' was unexpected)")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATEST: Microversion = Microversion::new(1, 39);

    fn demand(query: &str, version: Microversion) -> Result<Demand, String> {
        Demand::read(&Params::parse(query), "", version).map_err(|error| error.to_string())
    }

    #[test]
    fn amounts_are_read_and_nonsense_is_named() {
        let read = demand("resources=VCPU:2,MEMORY_MB:1024", LATEST).unwrap();
        assert_eq!(read.amounts.resources(OF_HOST), Some(Resources { vcpus: 2, memory_mib: 1024, disk_gib: 0 }));
        let none = demand("resources=VCPU:1,PCPU:1", LATEST).unwrap();
        assert_eq!(none.amounts.split(), None, "a class of which hosts have nothing");
        let huge = demand("resources=VCPU:99999999999999999999999", LATEST).unwrap();
        assert_eq!(huge.amounts.resources(OF_HOST).map(|resources| resources.vcpus), Some(u64::MAX));
        for text in ["", "VCPU", "VCPU:", "VCPU:x", "VCPU:0", "VCPU:-1", "VCPU:1:2", "VCPU:1,", "CUSTOM_X:1", "vcpu:1"]
        {
            assert!(demand(&format!("resources={text}"), LATEST).is_err(), "{text}");
        }
    }

    #[test]
    fn traits_are_required_forbidden_or_one_of_several() {
        let fit = |query: &str, held: &[&str]| demand(query, LATEST).unwrap().traits.fit(held);
        assert!(fit("required=COMPUTE_NODE", &["COMPUTE_NODE"]));
        assert!(!fit("required=COMPUTE_NODE", &[]));
        assert!(!fit("required=COMPUTE_NODE,!COMPUTE_STATUS_DISABLED", &["COMPUTE_NODE", "COMPUTE_STATUS_DISABLED"]));
        assert!(fit("required=in:COMPUTE_NODE,COMPUTE_STATUS_DISABLED", &["COMPUTE_STATUS_DISABLED"]));
        assert!(!fit("required=COMPUTE_NODE&required=COMPUTE_STATUS_DISABLED", &["COMPUTE_NODE"]));
        assert!(!fit("required=COMPUTE_NODE,!COMPUTE_NODE", &["COMPUTE_NODE"]));
        for text in ["", "COMPUTE_NODE,", "!", "HW_CPU_X86_VMX", "in:!COMPUTE_NODE"] {
            assert!(demand(&format!("required={text}"), LATEST).is_err(), "{text}");
        }
    }

    #[test]
    fn what_came_later_is_refused_before() {
        let before = |minor| Microversion::new(1, minor);
        let one = Uuid::new_v4();
        for (query, minor) in [
            ("required=!COMPUTE_NODE".to_owned(), 22),
            ("required=in:COMPUTE_NODE".to_owned(), 39),
            (format!("member_of={one}&member_of={one}"), 24),
            (format!("member_of=!{one}"), 32),
        ] {
            assert!(demand(&query, before(minor - 1)).is_err(), "{query}");
            assert!(demand(&query, before(minor)).is_ok(), "{query}");
        }
        let last = demand("required=COMPUTE_STATUS_DISABLED&required=COMPUTE_NODE", before(38)).unwrap();
        assert!(last.traits.fit(&["COMPUTE_NODE"]), "the last one counts");
    }

    #[test]
    fn aggregates_are_ids() {
        let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
        for good in [format!("{one}"), format!("in:{one},{other}"), format!("!in:{one},{other}"), format!("!{one}")] {
            assert!(demand(&format!("member_of={good}"), LATEST).is_ok(), "{good}");
        }
        for bad in ["x".to_owned(), String::new(), format!("{one},{other}"), format!("in:{one},")] {
            assert!(demand(&format!("member_of={bad}"), LATEST).is_err(), "{bad}");
        }
        assert!(demand("in_tree=x", LATEST).is_err());
    }
}
