//! Rules of domains' configurations.

use super::{Options, Part, known, store};
use crate::{Identity, IdentityError};
use controller_base::id::DomainId;
use serde_json::{Map, Value};

impl Identity {
    /// What a domain sets, the secrets included and filled in where other options of their group name them (`%(password)s`): for
    /// back ends, never for a client. Empty for a domain without configuration.
    ///
    /// # Errors
    /// The database's.
    pub async fn domain_options(&self, domain: &DomainId) -> Result<Options, IdentityError> {
        let mut options = store::list(&mut *self.db.read().await?, domain).await?;
        for (group, own) in &mut options {
            fill_in(group, own);
        }
        Ok(options)
    }

    /// The domains that set this option.
    ///
    /// # Errors
    /// The database's.
    pub async fn domains_with_option(&self, group: &str, option: &str) -> Result<Vec<DomainId>, IdentityError> {
        Ok(store::domains_with(&mut *self.db.read().await?, group, option).await?)
    }

    /// What may be shown of a part of a domain's configuration.
    pub(super) async fn shown_options(&self, domain: &DomainId, part: Part<'_>) -> Result<Options, IdentityError> {
        check_part(part)?;
        let all = store::list(&mut *self.db.read().await?, domain).await?;
        let shown = restrict(visible(all), part);
        if shown.is_empty() { Err(missing(domain, part)) } else { Ok(shown) }
    }

    /// Replaces a domain's configuration; true when there was none.
    pub(super) async fn create_options(&self, domain: &DomainId, wanted: &Options) -> Result<bool, IdentityError> {
        check(wanted)?;
        let mut tx = self.db.begin().await?;
        let new = store::list(&mut tx, domain).await?.is_empty();
        store::delete_of_domain(&mut tx, domain).await?;
        put_all(&mut tx, domain, wanted).await?;
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Changes options of a part that is there already.
    pub(super) async fn update_options(
        &self,
        domain: &DomainId,
        part: Part<'_>,
        body: Value,
    ) -> Result<Options, IdentityError> {
        let wanted = wanted(part, body)?;
        check(&wanted)?;
        let mut tx = self.db.begin().await?;
        if restrict(store::list(&mut tx, domain).await?, part).is_empty() {
            return Err(missing(domain, part));
        }
        put_all(&mut tx, domain, &wanted).await?;
        let all = store::list(&mut tx, domain).await?;
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(visible(all))
    }

    /// Forgets a part.
    pub(super) async fn delete_options(&self, domain: &DomainId, part: Part<'_>) -> Result<(), IdentityError> {
        check_part(part)?;
        let mut tx = self.db.begin().await?;
        let gone = restrict(store::list(&mut tx, domain).await?, part);
        if gone.is_empty() {
            return Err(missing(domain, part));
        }
        for (group, options) in &gone {
            for option in options.keys() {
                store::delete(&mut tx, domain, group, option).await?;
            }
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

/// The defaults of a part.
pub(super) fn defaults(part: Part<'_>) -> Result<Options, IdentityError> {
    check_part(part)?;
    let mut all = Options::new();
    for group in ["identity", "ldap"] {
        let options = known::defaults(group).into_iter().map(|(name, value)| (name.to_owned(), value));
        all.insert(group.to_owned(), options.collect());
    }
    let some = restrict(all, part);
    match part {
        Part::Option(group, option) if some.is_empty() => Err(unsupported_option(group, option)),
        _ => Ok(some),
    }
}

/// Reads the options of a body: the whole configuration's, a group's or one option's.
pub(super) fn wanted(part: Part<'_>, body: Value) -> Result<Options, IdentityError> {
    let nothing = || invalid("No options specified");
    let Value::Object(given) = body else { return Err(nothing()) };
    if let Part::Option(group, option) = part {
        if given.len() != 1 || !given.contains_key(option) {
            let reason = format!(
                "Trying to update option {option} in group {group}, so that, and only that, option must be specified  in the config"
            );
            return Err(invalid(reason));
        }
        return Ok(Options::from([(group.to_owned(), given)]));
    }
    if let Part::Group(group) = part
        && (given.len() != 1 || !given.contains_key(group))
    {
        let reason =
            format!("Trying to update group {group}, so that, and only that, group must be specified in the config");
        return Err(invalid(reason));
    }
    let group = |(group, options): (String, Value)| match options {
        Value::Object(options) if !options.is_empty() => Ok((group, options)),
        _ => Err(nothing()),
    };
    let options = given.into_iter().map(group).collect::<Result<Options, _>>()?;
    if options.is_empty() { Err(nothing()) } else { Ok(options) }
}

async fn put_all(tx: &mut controller_db::Tx, domain: &DomainId, wanted: &Options) -> Result<(), IdentityError> {
    for (group, options) in wanted {
        for (option, value) in options {
            store::put(tx, domain, group, option, value).await?;
        }
    }
    Ok(())
}

fn check(wanted: &Options) -> Result<(), IdentityError> {
    for (group, options) in wanted {
        check_part(Part::Group(group))?;
        for option in options.keys() {
            check_part(Part::Option(group, option))?;
        }
    }
    Ok(())
}

fn check_part(part: Part<'_>) -> Result<(), IdentityError> {
    let Some(group) = part.group() else { return Ok(()) };
    if !known::has_group(group) {
        return Err(invalid(format!("Group {group} is not supported for domain specific configurations")));
    }
    match part.option() {
        Some(option) if !known::has_option(group, option) => Err(unsupported_option(group, option)),
        _ => Ok(()),
    }
}

fn unsupported_option(group: &str, option: &str) -> IdentityError {
    invalid(format!("Option {option} in group {group} is not supported for domain specific configurations"))
}

fn invalid(reason: impl std::fmt::Display) -> IdentityError {
    IdentityError::Forbidden(format!("Invalid domain specific configuration: {reason}."))
}

fn missing(domain: &DomainId, part: Part<'_>) -> IdentityError {
    let what = match part {
        Part::All => "any options".to_owned(),
        Part::Group(group) => format!("group {group}"),
        Part::Option(group, option) => format!("option {option} in group {group}"),
    };
    IdentityError::Missing(format!("Could not find {what} in domain configuration for domain {domain}."))
}

fn restrict(mut options: Options, part: Part<'_>) -> Options {
    for (group, own) in &mut options {
        own.retain(|option, _| part.holds(group, option));
    }
    options.retain(|_, own| !own.is_empty());
    options
}

fn visible(mut options: Options) -> Options {
    for (group, own) in &mut options {
        own.retain(|option, _| !known::is_sensitive(group, option));
    }
    options.retain(|_, own| !own.is_empty());
    options
}

/// Puts a group's secrets where its other options name them.
fn fill_in(group: &str, options: &mut Map<String, Value>) {
    let secrets: Vec<(String, String)> = options
        .iter()
        .filter(|(option, _)| known::is_sensitive(group, option))
        .filter_map(|(option, value)| Some((format!("%({option})s"), value.as_str()?.to_owned())))
        .collect();
    for (option, value) in options.iter_mut() {
        if let (false, Value::String(text)) = (known::is_sensitive(group, option), value) {
            for (place, secret) in &secrets {
                *text = text.replace(place, secret);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_filled_in_and_never_shown() {
        let body =
            json!({"ldap": {"password": "pw", "url": "ldap://u:%(password)s@h"}, "identity": {"driver": "ldap"}});
        let mut options = wanted(Part::All, body).unwrap();
        check(&options).unwrap();
        assert_eq!(visible(options.clone())["ldap"].len(), 1);
        fill_in("ldap", options.get_mut("ldap").unwrap());
        assert_eq!(options["ldap"]["url"], "ldap://u:pw@h");
    }

    #[test]
    fn only_what_the_path_names_may_stand_in_the_body() {
        assert!(wanted(Part::Group("ldap"), json!({"identity": {"driver": "x"}})).is_err());
        assert!(wanted(Part::Option("ldap", "url"), json!({"user": "x"})).is_err());
        assert!(wanted(Part::All, json!({})).is_err());
        assert!(wanted(Part::All, json!([])).is_err());
        assert!(check(&wanted(Part::All, json!({"sql": {"x": 1}})).unwrap()).is_err());
        assert!(check(&wanted(Part::All, json!({"ldap": {"nonsense": 1}})).unwrap()).is_err());
    }
}
