//! A list's query: filters, fields, order, page. Pure: works on rendered bodies.

use crate::{
    attributes::{Attribute, check::as_flag},
    error::{Error, Result},
};
use controller_web::{Params, paging};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Words that are no filters.
const OTHER: [&str; 12] = [
    "fields",
    "limit",
    "marker",
    "page_reverse",
    "sort_key",
    "sort_dir",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
    "changed_since",
    "with_usage",
];

/// A list's query.
#[derive(Debug)]
pub struct Query<'a> {
    params: &'a Params,
    filters: Vec<(&'a str, Vec<&'a str>)>,
    fields: Vec<&'a str>,
    sort: Vec<(&'a str, bool)>,
    limit: Option<usize>,
    marker: Option<&'a str>,
    reverse: bool,
}

fn bad(message: String) -> Error {
    Error::HTTPBadRequest(message)
}

impl<'a> Query<'a> {
    /// Reads a query against the attributes of a kind of resource.
    pub fn parse(params: &'a Params, table: &[Attribute]) -> Result<Self> {
        if params.has("tenant_id") && params.has("project_id") {
            return Err(Error::TenantIdProjectIdFilterConflict);
        }
        let known = |name: &str| table.iter().any(|attribute| attribute.filter && attribute.name == name);
        let mut filters: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, value) in params.iter().filter(|(name, _)| !OTHER.contains(name)) {
            if !known(name) {
                return Err(bad(format!("['{name}'] is invalid attribute for filtering")));
            }
            match filters.iter_mut().find(|(seen, _)| *seen == name) {
                Some((_, values)) => values.push(value),
                None => filters.push((name, vec![value])),
            }
        }
        Ok(Self {
            params,
            filters,
            fields: params.all("fields").collect(),
            sort: sort(params, table)?,
            limit: limit(params)?,
            marker: params.get("marker").filter(|marker| !marker.is_empty()),
            reverse: params.get("page_reverse").and_then(as_flag).unwrap_or(false),
        })
    }

    /// The filters by text columns, for the database.
    #[must_use]
    pub fn pushed_down(&self, columns: &[&'static str]) -> Vec<(&'static str, Vec<&'a str>)> {
        let column = |name: &str| {
            let name = if name == "tenant_id" { "project_id" } else { name };
            columns.iter().find(|column| **column == name).copied()
        };
        self.filters.iter().filter_map(|(name, values)| Some((column(name)?, values.clone()))).collect()
    }

    /// Whether a body passes all filters.
    #[must_use]
    pub fn lets_through(&self, body: &Map<String, Value>) -> bool {
        self.filters.iter().all(|(name, values)| values.iter().any(|value| matches(name, body.get(*name), value)))
            && self.tags_fit(body)
            && self.changed_since(body)
    }

    fn tags_fit(&self, body: &Map<String, Value>) -> bool {
        let own: Vec<&str> =
            body.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let wanted = |name: &'static str| {
            let words: Vec<&str> = self.params.all_words(name);
            (!words.is_empty()).then_some(words)
        };
        let all = |words: &[&str]| words.iter().all(|word| own.contains(word));
        let any = |words: &[&str]| words.iter().any(|word| own.contains(word));
        wanted("tags").is_none_or(|words| all(&words))
            && wanted("tags-any").is_none_or(|words| any(&words))
            && wanted("not-tags").is_none_or(|words| !all(&words))
            && wanted("not-tags-any").is_none_or(|words| !any(&words))
    }

    fn changed_since(&self, body: &Map<String, Value>) -> bool {
        let updated = body.get("updated_at").and_then(Value::as_str).unwrap_or_default();
        self.params
            .get("changed_since")
            .is_none_or(|since| updated.trim_end_matches('Z') >= since.trim_end_matches('Z'))
    }

    /// The wanted page in the wanted order. `None`: there is no item with the marker's id.
    #[must_use]
    pub fn page(&self, mut bodies: Vec<Map<String, Value>>) -> Option<Vec<Map<String, Value>>> {
        bodies.sort_by(|one, other| self.compare(one, other));
        let Some(limit) = self.limit else { return Some(bodies) };
        let at = match self.marker {
            Some(marker) => {
                let is_marker = |body: &Map<String, Value>| body.get("id").and_then(Value::as_str) == Some(marker);
                Some(bodies.iter().position(is_marker)?)
            }
            None => None,
        };
        let (start, end) = match (self.reverse, at) {
            (false, at) => {
                let start = at.map_or(0, |at| at + 1);
                (start, start.saturating_add(limit).min(bodies.len()))
            }
            (true, at) => {
                let end = at.unwrap_or(bodies.len());
                (end.saturating_sub(limit), end)
            }
        };
        Some(bodies.drain(start.min(end)..end).collect())
    }

    fn compare(&self, one: &Map<String, Value>, other: &Map<String, Value>) -> Ordering {
        let by_key = self.sort.iter().map(|(key, descending)| {
            let order = compare_values(one.get(*key), other.get(*key));
            if *descending { order.reverse() } else { order }
        });
        by_key.fold(Ordering::Equal, Ordering::then).then_with(|| compare_values(one.get("id"), other.get("id")))
    }

    /// Links to the neighbouring pages, as Neutron decides when there are such.
    #[must_use]
    pub fn links(&self, self_link: &str, page: &[Map<String, Value>]) -> Vec<Value> {
        let (Some(limit), Some(first), Some(last)) = (self.limit, page.first(), page.last()) else { return Vec::new() };
        let id = |body: &'_ Map<String, Value>| body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let full = page.len() >= limit;
        let next = (full || self.reverse).then(|| id(last));
        let previous = (full || !self.reverse).then(|| id(first));
        paging::rel_both(self_link, self.params, next.as_deref(), previous.as_deref())
    }

    /// Leaves only the wanted fields.
    pub fn project(&self, body: &mut Map<String, Value>) {
        if !self.fields.is_empty() {
            body.retain(|name, _| self.fields.contains(&name.as_str()));
        }
    }
}

/// Several values of a name, each a list with commas.
trait Words {
    fn all_words<'a>(&'a self, name: &'a str) -> Vec<&'a str>;
}

impl Words for Params {
    fn all_words<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.iter()
            .filter(|(key, _)| *key == name)
            .flat_map(|(_, value)| value.split(','))
            .filter(|word| !word.is_empty())
            .collect()
    }
}

/// Only these fields of a single body.
pub fn only_fields(params: &Params, body: &mut Map<String, Value>) {
    let fields: Vec<&str> = params.all("fields").collect();
    if !fields.is_empty() {
        body.retain(|name, _| fields.contains(&name.as_str()));
    }
}

fn limit(params: &Params) -> Result<Option<usize>> {
    match params.get("limit").map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(0)) => Ok(None),
        Some(Ok(limit)) if limit > 0 => Ok(usize::try_from(limit).ok()),
        Some(_) => Err(bad(format!("Invalid value for limit: {}", params.get("limit").unwrap_or_default()))),
    }
}

fn sort<'a>(params: &'a Params, table: &[Attribute]) -> Result<Vec<(&'a str, bool)>> {
    let keys: Vec<&str> = params.all("sort_key").collect();
    let directions: Vec<&str> = params.all("sort_dir").collect();
    let all_ascending = directions.is_empty() && !keys.is_empty();
    if keys.len() != directions.len() && !all_ascending {
        return Err(bad("The number of sort_keys and sort_dirs must be same".to_owned()));
    }
    if let Some(unknown) = keys.iter().find(|key| !table.iter().any(|attribute| attribute.name == **key)) {
        return Err(bad(format!("['{unknown}'] is invalid attribute for sort_keys")));
    }
    if let Some(wrong) = directions.iter().find(|direction| !["asc", "desc"].contains(direction)) {
        return Err(bad(format!("{wrong} is invalid value for sort_dirs, valid value is 'asc' and 'desc'")));
    }
    let descending = |index: usize| directions.get(index).is_some_and(|direction| *direction == "desc");
    Ok(keys.into_iter().enumerate().map(|(index, key)| (key, descending(index))).collect())
}

fn compare_values(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    match (one, other) {
        (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_i64().cmp(&other.as_i64()),
        (Some(Value::Bool(one)), Some(Value::Bool(other))) => one.cmp(other),
        (one, other) => one.is_some_and(|v| !v.is_null()).cmp(&other.is_some_and(|v| !v.is_null())),
    }
}

fn matches(name: &str, own: Option<&Value>, wanted: &str) -> bool {
    match own {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Bool(set)) => as_flag(wanted) == Some(*set),
        Some(Value::Number(number)) => number.to_string() == wanted,
        Some(Value::Array(items)) if name == "fixed_ips" => {
            let Some((key, value)) = wanted.split_once('=') else { return false };
            items.iter().any(|item| matches_address(item, key, value))
        }
        Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(wanted)),
        Some(Value::Object(_)) => false,
        Some(Value::Null) | None => wanted.is_empty() || wanted == "None",
    }
}

fn matches_address(item: &Value, key: &str, value: &str) -> bool {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    match key {
        "ip_address_substr" => text("ip_address").contains(value),
        "ip_address" | "subnet_id" => text(key) == value,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::{Attribute, Check, Preset};
    use serde_json::json;

    const TABLE: &[Attribute] = &[
        Attribute::told("id"),
        Attribute::writable("name", Preset::Empty, Check::Name),
        Attribute::writable("shared", Preset::Flag(false), Check::Flag),
        Attribute::writable("mtu", Preset::Unset, Check::Any),
        Attribute::writable("fixed_ips", Preset::Unset, Check::FixedIps),
        Attribute::told("tags").unfiltered(),
    ];

    fn bodies() -> Vec<Map<String, Value>> {
        let body = |id: &str, name: &str, shared: bool, mtu: i64, tags: &[&str]| {
            let ips = json!([{"subnet_id": "s", "ip_address": format!("10.0.0.{mtu}")}]);
            let value = json!({"id": id, "name": name, "shared": shared, "mtu": mtu, "tags": tags, "fixed_ips": ips});
            value.as_object().unwrap().clone()
        };
        vec![
            body("c", "x", true, 1, &["red"]),
            body("a", "y", false, 2, &["red", "blue"]),
            body("b", "x", false, 12, &[]),
        ]
    }

    fn ids(query: &str) -> String {
        let params = Params::parse(query);
        let query = Query::parse(&params, TABLE).unwrap();
        let found = bodies().into_iter().filter(|body| query.lets_through(body)).collect();
        query.page(found).unwrap_or_default().iter().map(|body| body["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn filters_orders_and_pages() {
        let table = [
            ("", "abc"),
            ("name=x", "bc"),
            ("name=x&shared=True", "c"),
            ("name=x&name=y", "abc"),
            ("mtu=2", "a"),
            ("shared=0", "ab"),
            ("fixed_ips=ip_address%3D10.0.0.2", "a"),
            ("fixed_ips=ip_address_substr%3D0.2", "a"),
            ("fixed_ips=ip_address_substr%3D0.1", "bc"),
            ("tags=red", "ac"),
            ("tags=red,blue", "a"),
            ("tags-any=green,blue", "a"),
            ("not-tags=red,blue", "bc"),
            ("not-tags-any=red", "b"),
            ("sort_key=mtu&sort_dir=desc", "bac"),
            ("sort_key=name&sort_dir=asc&sort_key=mtu&sort_dir=desc", "bca"),
            ("limit=2", "ab"),
            ("limit=2&marker=b", "c"),
            ("limit=1&marker=c&page_reverse=True", "b"),
            ("limit=2&marker=zz", ""),
        ];
        for (query, wanted) in table {
            assert_eq!(ids(query), wanted, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for query in [
            "colour=red",
            "limit=-1",
            "limit=x",
            "sort_key=colour&sort_dir=asc",
            "sort_key=name&sort_dir=up",
            "sort_dir=asc",
        ] {
            let params = Params::parse(query);
            assert!(Query::parse(&params, TABLE).is_err(), "{query}");
        }
    }

    #[test]
    fn links_appear_as_in_neutron() {
        let rels = |query: &str, count: usize| {
            let params = Params::parse(query);
            let query = Query::parse(&params, TABLE).unwrap();
            let links = query.links("http://c/v2.0/things", &bodies()[..count]);
            links.iter().map(|link| link["rel"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(rels("", 3), "");
        assert_eq!(rels("limit=3", 3), "next previous");
        assert_eq!(rels("limit=4", 3), "previous");
        assert_eq!(rels("limit=4&page_reverse=True", 3), "next");
    }
}
