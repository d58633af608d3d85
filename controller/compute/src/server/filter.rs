//! What a list of servers is narrowed to: Nova's query parameters.
//!
//! What the database can compare becomes SQL; name patterns and addresses are compared afterwards, over as many rows as it takes
//! to fill the page.

use super::model::{Server, states_of_status};
use crate::schema::Minor;
use controller_base::Timestamp;
use controller_base::id::ServerId;
use controller_db::{Filter, SortKey, Value};
use controller_web::Params;
use regex::Regex;
use std::collections::HashSet;
use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// A list's conditions.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerFilter {
    pub(crate) project: Option<String>,
    equals: Vec<(&'static str, Value)>,
    statuses: Vec<String>,
    pub(crate) name: Option<Regex>,
    pub(crate) ip: Option<String>,
    pub(crate) ip6: Option<String>,
    pub(crate) with_address: Option<HashSet<ServerId>>,
    changes_since: Option<Timestamp>,
    changes_before: Option<Timestamp>,
    tags: Vec<String>,
    tags_any: Vec<String>,
    not_tags: Vec<String>,
    not_tags_any: Vec<String>,
    deleted: Option<bool>,
    locked: Option<bool>,
    impossible: bool,
}

/// Reads the query. `admin`: may ask for others' and deleted servers, and by host; from others such words are ignored, as Nova
/// does.
///
/// # Errors
/// What a value should have been.
pub(crate) fn read(params: &Params, version: Minor, admin: bool, own: &str) -> Result<ServerFilter, String> {
    let mut filter = ServerFilter::default();
    let all = admin && truth(params, "all_tenants")?.unwrap_or(false);
    // As in Nova, one of all projects is named only where all are asked for.
    let named = params.get("project_id").or_else(|| params.get("tenant_id"));
    filter.project = if all { named.map(str::to_owned) } else { Some(own.to_owned()) };
    filter.equal(params);
    if admin {
        filter.equal_for_admins(params);
    }
    filter.statuses = params.all("status").map(str::to_owned).collect();
    filter.impossible = !filter.statuses.is_empty() && filter.statuses.iter().all(|s| states_of_status(s).is_none());
    filter.name = params.get("name").filter(|name| !name.is_empty()).map(pattern).transpose()?;
    filter.ip = params.get("ip").map(str::to_owned);
    filter.ip6 = params.get("ip6").filter(|_| version >= 5 || admin).map(str::to_owned);
    filter.changes_since = params.get("changes-since").map(moment).transpose()?;
    filter.changes_before = params.get("changes-before").filter(|_| version >= 66).map(moment).transpose()?;
    if version >= 26 {
        filter.tags = words(params, "tags");
        filter.tags_any = words(params, "tags-any");
        filter.not_tags = words(params, "not-tags");
        filter.not_tags_any = words(params, "not-tags-any");
    }
    if version >= 73 {
        filter.locked = truth(params, "locked")?;
    }
    filter.deleted = deleted(params, &filter, admin)?;
    Ok(filter)
}

fn deleted(params: &Params, filter: &ServerFilter, admin: bool) -> Result<Option<bool>, String> {
    let asked = truth(params, "deleted")?.filter(|_| admin);
    let only_deleted = filter.statuses.iter().any(|status| status.eq_ignore_ascii_case("deleted"));
    if only_deleted && admin {
        return Ok(Some(true));
    }
    Ok(match (asked, filter.changes_since.or(filter.changes_before)) {
        (Some(deleted), _) => Some(deleted),
        // What changed includes what was deleted.
        (None, Some(_)) => None,
        (None, None) => Some(false),
    })
}

impl ServerFilter {
    /// Whether rows must be looked at after the database chose them.
    pub(crate) fn looks_at_rows(&self) -> bool {
        self.name.is_some() || self.with_address.is_some()
    }

    /// What the database cannot compare.
    pub(crate) fn keeps(&self, server: &Server) -> bool {
        let named = self.name.as_ref().is_none_or(|pattern| pattern.is_match(&server.name));
        named && self.with_address.as_ref().is_none_or(|ids| ids.contains(&server.id))
    }

    /// What it can.
    pub(crate) fn select(&self, columns: &str) -> Filter {
        let mut select = Filter::new(columns).and_eq("project_id", self.project.clone());
        for (column, value) in &self.equals {
            select = select.and_eq(column, Some(value.clone()));
        }
        select = match self.deleted {
            Some(false) => select.and("deleted_at IS NULL", []),
            Some(true) => select.and("deleted_at IS NOT NULL", []),
            None => select,
        };
        if let Some(since) = self.changes_since {
            select = select.and("updated_at >= ?", [Value::Int(since.0)]);
        }
        if let Some(before) = self.changes_before {
            select = select.and("updated_at <= ?", [Value::Int(before.0)]);
        }
        select = match self.locked {
            Some(true) => select.and("lock_by IS NOT NULL", []),
            Some(false) => select.and("lock_by IS NULL", []),
            None => select,
        };
        if self.impossible {
            return select.and("1 = 0", []);
        }
        self.tagged(self.by_status(select))
    }

    fn by_status(&self, select: Filter) -> Filter {
        let states = self.statuses.iter().filter_map(|status| states_of_status(status));
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (state, task) in states {
            values.push(Value::from(state.as_str()));
            match task {
                Some(task) => {
                    conditions.push("(vm_state = ? AND task_state = ?)");
                    values.push(Value::from(task.as_str()));
                }
                None if state.as_str() == "active" => conditions
                    .push("(vm_state = ? AND COALESCE(task_state, '') NOT IN ('rebooting', 'rebooting_hard'))"),
                None => conditions.push("vm_state = ?"),
            }
        }
        if conditions.is_empty() { select } else { select.and(&conditions.join(" OR "), values) }
    }

    fn tagged(&self, mut select: Filter) -> Filter {
        for tag in &self.tags {
            select = select.and(HAS_TAG, [tag_pattern(tag)]);
        }
        let any = |count: usize| vec![HAS_TAG; count].join(" OR ");
        if !self.tags_any.is_empty() {
            select = select.and(&any(self.tags_any.len()), self.tags_any.iter().map(|tag| tag_pattern(tag)));
        }
        if !self.not_tags.is_empty() {
            let all = vec![HAS_TAG; self.not_tags.len()].join(" AND ");
            select = select.and(&format!("NOT ({all})"), self.not_tags.iter().map(|tag| tag_pattern(tag)));
        }
        if !self.not_tags_any.is_empty() {
            let any = format!("NOT ({})", any(self.not_tags_any.len()));
            select = select.and(&any, self.not_tags_any.iter().map(|tag| tag_pattern(tag)));
        }
        select
    }

    fn equal(&mut self, params: &Params) {
        let columns: [(&str, &'static str); 8] = [
            ("flavor", "flavor_id"),
            ("image", "image_id"),
            ("reservation_id", "reservation_id"),
            ("uuid", "id"),
            ("key_name", "key_name"),
            ("user_id", "user_id"),
            ("access_ip_v4", "access_ipv4"),
            ("access_ip_v6", "access_ipv6"),
        ];
        for (name, column) in columns {
            if let Some(value) = params.get(name) {
                // Flavor and image may be given as links.
                let value = value.rsplit('/').next().unwrap_or_default();
                self.equals.push((column, Value::from(value)));
            }
        }
        for (name, column) in [("vm_state", "vm_state"), ("task_state", "task_state")] {
            if let Some(value) = params.get(name) {
                self.equals.push((column, Value::from(value)));
            }
        }
        if let Some(value) = params.get("availability_zone") {
            self.equals.push(("availability_zone", Value::from(value)));
        }
        if let Some(value) = params.get("description") {
            self.equals.push(("description", Value::from(value)));
        }
        if let Some(power) = params.get("power_state").and_then(|text| text.parse::<i64>().ok()) {
            self.equals.push(("power_state", Value::Int(power)));
        }
        if let Some(drive) = params.get("config_drive").and_then(crate::schema::bool_from_text) {
            self.equals.push(("config_drive", Value::from(drive)));
        }
    }

    fn equal_for_admins(&mut self, params: &Params) {
        for (name, column) in [("host", "host_name"), ("node", "host_name"), ("hostname", "hostname")] {
            if let Some(value) = params.get(name) {
                self.equals.push((column, Value::from(value)));
            }
        }
    }
}

const HAS_TAG: &str = "tags LIKE ? ESCAPE '!'";

/// Finds a tag in the stored JSON list.
fn tag_pattern(tag: &str) -> Value {
    let json = controller_db::json(&tag);
    let escaped = json.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    Value::from(format!("%{escaped}%"))
}

/// Nova's sort keys and their columns.
const SORT_KEYS: &[(&str, &str)] = &[
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
    ("display_name", "name"),
    ("name", "name"),
    ("uuid", "id"),
    ("vm_state", "vm_state"),
    ("task_state", "COALESCE(task_state, '')"),
    ("power_state", "power_state"),
    ("host", "COALESCE(host_name, '')"),
    ("node", "COALESCE(host_name, '')"),
    ("hostname", "hostname"),
    ("image_ref", "image_id"),
    ("instance_type_id", "flavor_id"),
    ("key_name", "key_name"),
    ("launched_at", "COALESCE(launched_at, 0)"),
    ("project_id", "project_id"),
    ("user_id", "user_id"),
    ("availability_zone", "availability_zone"),
    ("display_description", "COALESCE(description, '')"),
    ("locked", "COALESCE(lock_by, '')"),
    ("config_drive", "config_drive"),
];

/// The wanted order; the newest first without one. It ends with the id.
///
/// # Errors
/// A key or direction that Nova does not know.
pub(crate) fn order(params: &Params) -> Result<Vec<SortKey>, String> {
    let mut directions = params.all("sort_dir");
    let mut keys = Vec::new();
    for word in params.all("sort_key") {
        let column = SORT_KEYS.iter().find(|(known, _)| *known == word).map(|(_, column)| *column);
        let expression = column.ok_or_else(|| {
            format!("Invalid input for query parameters sort_key. Value: {word}. '{word}' is not one of the sort keys")
        })?;
        let descending = direction(directions.next())?.unwrap_or(true);
        keys.push(SortKey { expression, descending });
    }
    if keys.is_empty() {
        let descending = direction(params.get("sort_dir"))?.unwrap_or(true);
        keys.push(SortKey { expression: "created_at", descending });
    }
    let descending = keys.last().is_none_or(|key| key.descending);
    keys.push(SortKey { expression: "id", descending });
    Ok(keys)
}

fn direction(word: Option<&str>) -> Result<Option<bool>, String> {
    match word {
        None => Ok(None),
        Some("asc") => Ok(Some(false)),
        Some("desc") => Ok(Some(true)),
        Some(other) => Err(format!(
            "Invalid input for query parameters sort_dir. Value: {other}. '{other}' is not one of ['asc', 'desc']"
        )),
    }
}

/// A server's values of the sort keys, to continue behind it.
pub(crate) fn sort_values(server: &Server, keys: &[SortKey]) -> Vec<Value> {
    let host = server.host.as_ref().map_or("", |host| host.name.as_str());
    let lock = server.lock.as_ref().map_or("", |lock| if lock.by_admin { "admin" } else { "owner" });
    let value = |key: &SortKey| match key.expression {
        "created_at" => Value::Int(server.created_at.0),
        "updated_at" => Value::Int(server.updated_at.0),
        "name" => Value::from(&server.name),
        "vm_state" => Value::from(server.state.as_str()),
        "COALESCE(task_state, '')" => Value::from(server.task.map_or("", |task| task.as_str())),
        "power_state" => Value::Int(server.power.number()),
        "COALESCE(host_name, '')" => Value::from(host),
        "hostname" => Value::from(&server.hostname),
        "image_id" => Value::text(server.spec.image.id),
        "flavor_id" => Value::text(&server.spec.flavor.id),
        "key_name" => Value::from(server.spec.key.as_ref().map_or("", |key| key.name.as_str())),
        "COALESCE(launched_at, 0)" => Value::Int(server.launched_at.map_or(0, |at| at.0)),
        "project_id" => Value::text(&server.project_id),
        "user_id" => Value::text(&server.user_id),
        "availability_zone" => Value::from(&server.spec.availability_zone),
        "COALESCE(description, '')" => Value::from(server.description.as_deref().unwrap_or_default()),
        "COALESCE(lock_by, '')" => Value::from(lock),
        "config_drive" => Value::from(server.spec.config_drive),
        _ => Value::text(server.id),
    };
    keys.iter().map(value).collect()
}

fn truth(params: &Params, name: &str) -> Result<Option<bool>, String> {
    match params.get(name) {
        None => Ok(None),
        // `?all_tenants` alone is a yes.
        Some("") => Ok(Some(true)),
        Some(text) => crate::schema::bool_from_text(text).map(Some).ok_or_else(|| {
            format!("Invalid input for query parameters {name}. Value: {text}. '{text}' is not a boolean")
        }),
    }
}

fn words(params: &Params, name: &str) -> Vec<String> {
    let all = params.all(name).flat_map(|value| value.split(','));
    all.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn pattern(text: &str) -> Result<Regex, String> {
    let built = regex::RegexBuilder::new(text).case_insensitive(true).size_limit(1 << 20).build();
    built.map_err(|_| format!("Invalid input for query parameters name. Value: {text}. '{text}' is not a 'regex'"))
}

/// A moment as clients write it: with or without zone and fraction.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let zoned = OffsetDateTime::parse(text, &Rfc3339).ok();
    let plain = || {
        let seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let spaced = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let whole = text.split('.').next().unwrap_or_default();
        let parsed = PrimitiveDateTime::parse(whole, &seconds).or_else(|_| PrimitiveDateTime::parse(whole, &spaced));
        parsed.ok().map(PrimitiveDateTime::assume_utc)
    };
    let moment = zoned.or_else(plain).or_else(|| {
        let day = time::Date::parse(text, &format_description!("[year]-[month]-[day]")).ok()?;
        Some(day.midnight().assume_utc())
    });
    let moment = moment.ok_or_else(|| {
        format!("Invalid input for query parameters changes-since. Value: {text}. '{text}' is not a 'date-time'")
    })?;
    let micros = moment.unix_timestamp_nanos() / 1000;
    Ok(Timestamp(i64::try_from(micros).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_cannot_ask_for_others() {
        let read = |query: &str, admin: bool| read(&Params::parse(query), 90, admin, "mine").unwrap();
        assert_eq!(read("all_tenants=1&project_id=x", false).project.as_deref(), Some("mine"));
        assert_eq!(read("all_tenants=1", true).project, None);
        assert_eq!(read("all_tenants=1&project_id=x", true).project.as_deref(), Some("x"));
        assert_eq!(read("project_id=x", true).project.as_deref(), Some("mine"));
        assert_eq!(read("deleted=true", false).deleted, Some(false));
        assert_eq!(read("deleted=true", true).deleted, Some(true));
        assert!(read("host=a", false).equals.is_empty());
    }

    #[test]
    fn what_changed_includes_what_was_deleted() {
        let filter = read(&Params::parse("changes-since=2026-11-20T15:00:00Z"), 1, false, "mine").unwrap();
        assert_eq!(filter.deleted, None);
        assert!(read(&Params::parse("changes-since=x"), 1, false, "mine").is_err());
    }

    #[test]
    fn moments_are_read_in_their_forms() {
        let expected = Timestamp(1_790_000_000_000_000);
        for text in ["2026-09-21T14:13:20Z", "2026-09-21T14:13:20", "2026-09-21 14:13:20", "2026-09-21T15:13:20+01:00"]
        {
            assert_eq!(moment(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn orders_end_with_the_id() {
        let keys = order(&Params::parse("sort_key=display_name&sort_dir=asc")).unwrap();
        let words: Vec<_> = keys.iter().map(|key| (key.expression, key.descending)).collect();
        assert_eq!(words, [("name", false), ("id", false)]);
        assert_eq!(order(&Params::parse("")).unwrap()[0].expression, "created_at");
        assert!(order(&Params::parse("sort_key=password")).is_err());
        assert!(order(&Params::parse("sort_dir=up")).is_err());
    }
}
