//! What a list of images is asked for: filters, order, page.

use super::model::{ImageError, Status, Visibility};
use controller_base::Timestamp;
use controller_base::id::{ImageId, ProjectId};
use controller_db::{Filter, SortKey, Value};

/// As many as Glance gives when nobody says otherwise.
const DEFAULT_LIMIT: u32 = 25;
/// As many as Glance gives at the most.
const MAX_LIMIT: u32 = 1000;

/// A list request.
#[derive(Clone, Debug)]
pub struct ImageQuery {
    /// Who asks; `None`: an administrator who sees everything.
    pub viewer: Option<ProjectId>,
    /// Who asks, also if an administrator: whose memberships count.
    pub project: Option<ProjectId>,
    /// At most so many.
    pub limit: u32,
    /// Start behind this image.
    pub marker: Option<ImageId>,
    sort: Vec<(String, bool)>,
    equal: Vec<(&'static str, Vec<String>)>,
    tags: Vec<String>,
    properties: Vec<(String, String)>,
    visibility: Option<Wanted>,
    member_status: String,
    sizes: (Option<i64>, Option<i64>),
    times: Vec<(&'static str, String, Timestamp)>,
    hidden: bool,
    protected: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Only(Visibility),
}

impl ImageQuery {
    /// From the query string's pairs.
    pub fn parse(
        pairs: &[(String, String)],
        viewer: Option<ProjectId>,
        project: Option<ProjectId>,
    ) -> Result<Self, ImageError> {
        let mut query = Self::empty(viewer, project);
        let (mut keys, mut directions) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            match name.as_str() {
                "sort_key" => keys.push(sort_key(value)?),
                "sort_dir" => directions.push(descending(value)?),
                "sort" => query.sort = sort(value)?,
                _ => query.take(name, value)?,
            }
        }
        if !keys.is_empty() {
            let last = directions.last().copied().unwrap_or(true);
            query.sort = keys.into_iter().enumerate().map(|(n, k)| (k, *directions.get(n).unwrap_or(&last))).collect();
        } else if let (Some(direction), true) = (directions.first(), query.sort.is_empty()) {
            query.sort = vec![("created_at".to_owned(), *direction)];
        }
        Ok(query)
    }

    fn empty(viewer: Option<ProjectId>, project: Option<ProjectId>) -> Self {
        Self {
            viewer,
            project,
            limit: DEFAULT_LIMIT,
            marker: None,
            sort: Vec::new(),
            equal: Vec::new(),
            tags: Vec::new(),
            properties: Vec::new(),
            visibility: None,
            member_status: "accepted".to_owned(),
            sizes: (None, None),
            times: Vec::new(),
            hidden: false,
            protected: None,
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), ImageError> {
        match name {
            "limit" => self.limit = number(name, value)?.min(i64::from(MAX_LIMIT)) as u32,
            "marker" => self.marker = Some(value.parse().map_err(|_| invalid(format!("invalid marker {value}")))?),
            "id" => self.equal("i.id", value),
            "name" => self.equal("i.name", value),
            "owner" => self.equal("i.owner", value),
            "status" => {
                let words = in_list(value);
                if words.iter().any(|w| Status::parse(w).is_none() && !KNOWN_STATES.contains(&w.as_str())) {
                    return Err(invalid(format!("Invalid status {value}")));
                }
                self.equal.push(("i.status", words));
            }
            "disk_format" => self.equal("i.disk_format", value),
            "container_format" => self.equal("i.container_format", value),
            "checksum" => self.equal("i.checksum", value),
            "os_hash_value" => self.equal("i.sha512", value),
            "tag" => self.tags.push(value.to_owned()),
            "visibility" => self.visibility = Some(wanted(value)?),
            "member_status" => match value {
                "pending" | "accepted" | "rejected" | "all" => self.member_status = value.to_owned(),
                _ => return Err(invalid(format!("Invalid member_status {value}"))),
            },
            "size_min" => self.sizes.0 = Some(number(name, value)?),
            "size_max" => self.sizes.1 = Some(number(name, value)?),
            "min_ram" => self.equal("CAST(i.min_ram AS TEXT)", value),
            "min_disk" => self.equal("CAST(i.min_disk AS TEXT)", value),
            "created_at" => self.time("i.created_at", value)?,
            "updated_at" => self.time("i.updated_at", value)?,
            "os_hidden" => self.hidden = boolean(name, value)?,
            "protected" => self.protected = Some(boolean(name, value)?),
            _ => self.properties.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    fn equal(&mut self, column: &'static str, value: &str) {
        self.equal.push((column, in_list(value)));
    }

    fn time(&mut self, column: &'static str, value: &str) -> Result<(), ImageError> {
        let (operator, text) = value.split_once(':').filter(|(o, _)| operator(o).is_some()).unwrap_or(("eq", value));
        let moment = moment(text).ok_or_else(|| invalid(format!("Invalid time {value}")))?;
        self.times.push((column, operator.to_owned(), moment));
        Ok(())
    }

    /// Whether images are sorted by something that the marker must have too.
    pub fn sort_keys(&self) -> Vec<SortKey> {
        let mut wanted: Vec<(&str, bool)> =
            self.sort.iter().map(|(key, descending)| (key.as_str(), *descending)).collect();
        if wanted.is_empty() {
            wanted.push(("created_at", true));
        }
        let last = wanted.last().is_some_and(|(_, descending)| *descending);
        wanted.retain(|(key, _)| *key != "id");
        let keys = wanted.into_iter().map(|(key, descending)| SortKey { expression: expression(key), descending });
        keys.chain([SortKey { expression: "i.id", descending: last }]).collect()
    }

    /// Adds the conditions of this request.
    pub fn conditions(&self, mut filter: Filter) -> Filter {
        for (column, values) in &self.equal {
            filter = filter.and_in(column, values.iter().map(Value::from));
        }
        for tag in &self.tags {
            let some = "EXISTS (SELECT 1 FROM image_tag t WHERE t.image_id = i.id AND t.tag = ?)";
            filter = filter.and(some, [Value::from(tag)]);
        }
        for (name, value) in &self.properties {
            filter = filter.and("i.properties LIKE ? ESCAPE '!'", [Value::Text(property_pattern(name, value))]);
        }
        for (column, word, moment) in &self.times {
            let operator = operator(word).unwrap_or("=");
            filter = filter.and(&format!("{column} {operator} ?"), [Value::Int(moment.0)]);
        }
        if let Some(least) = self.sizes.0 {
            filter = filter.and("COALESCE(i.size, 0) >= ?", [Value::Int(least)]);
        }
        if let Some(most) = self.sizes.1 {
            filter = filter.and("COALESCE(i.size, 0) <= ?", [Value::Int(most)]);
        }
        filter = filter.and_eq("i.protected", self.protected);
        filter = filter.and_eq("i.hidden", Some(self.hidden));
        self.seen(filter)
    }

    /// Who sees what: public, one's own, shared with one; community only when asked for.
    fn seen(&self, mut filter: Filter) -> Filter {
        if let Some(Wanted::Only(visibility)) = self.visibility {
            filter = filter.and_eq("i.visibility", Some(visibility.as_str()));
        }
        let shared = "EXISTS (SELECT 1 FROM image_member m WHERE m.image_id = i.id AND m.project_id = ? AND \
            (m.status = ? OR ? = 'all'))";
        let member =
            |project: &str| [Value::from(project), Value::from(&self.member_status), Value::from(&self.member_status)];
        match (&self.viewer, self.visibility) {
            (None, Some(_)) => filter,
            (None, None) => filter,
            (Some(viewer), wanted) => {
                let community = match wanted {
                    Some(_) => "i.visibility = 'community' OR ",
                    None => "",
                };
                let condition = format!(
                    "i.visibility = 'public' OR {community}i.owner = ? OR (i.visibility = 'shared' AND {shared})"
                );
                let mine = [Value::from(viewer.as_str())];
                filter.and(&condition, mine.into_iter().chain(member(viewer.as_str())))
            }
        }
    }
}

/// States that Glance knows and images here never have: a filter by them finds nothing.
const KNOWN_STATES: &[&str] = &["killed", "deleted", "pending_delete", "importing", "uploading"];

fn wanted(value: &str) -> Result<Wanted, ImageError> {
    match value {
        "all" => Ok(Wanted::All),
        _ => Visibility::parse(value)
            .map(Wanted::Only)
            .ok_or_else(|| invalid(format!("Invalid visibility value: {value}"))),
    }
}

fn expression(key: &str) -> &'static str {
    match key {
        "name" => "COALESCE(i.name, '')",
        "status" => "i.status",
        "container_format" => "COALESCE(i.container_format, '')",
        "disk_format" => "COALESCE(i.disk_format, '')",
        "size" => "COALESCE(i.size, 0)",
        "updated_at" => "i.updated_at",
        _ => "i.created_at",
    }
}

fn sort(value: &str) -> Result<Vec<(String, bool)>, ImageError> {
    let one = |part: &str| match part.split_once(':') {
        Some((key, direction)) => Ok((sort_key(key)?, descending(direction)?)),
        None => Ok((sort_key(part)?, true)),
    };
    value.split(',').map(one).collect()
}

fn sort_key(key: &str) -> Result<String, ImageError> {
    const KEYS: &[&str] =
        &["name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"];
    if KEYS.contains(&key) { Ok(key.to_owned()) } else { Err(invalid(format!("Invalid sort key: {key}"))) }
}

fn descending(word: &str) -> Result<bool, ImageError> {
    match word {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(invalid(format!("Invalid sort direction: {word}"))),
    }
}

fn operator(word: &str) -> Option<&'static str> {
    Some(match word {
        "eq" => "=",
        "neq" => "<>",
        "gt" => ">",
        "gte" => ">=",
        "lt" => "<",
        "lte" => "<=",
        _ => return None,
    })
}

/// `in:a,"b,c"` or one value.
fn in_list(value: &str) -> Vec<String> {
    let Some(list) = value.strip_prefix("in:") else { return vec![value.to_owned()] };
    let (mut items, mut item, mut quoted) = (Vec::new(), String::new(), false);
    for character in list.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            _ => item.push(character),
        }
    }
    items.push(item);
    items
}

/// Properties are stored as compact JSON with sorted keys: `"name":"value"` stands in it as it is.
fn property_pattern(name: &str, value: &str) -> String {
    let pair = format!("{}:{}", controller_db::json(&name), controller_db::json(&value));
    let escaped: String =
        pair.chars().flat_map(|c| matches!(c, '%' | '_' | '!').then_some('!').into_iter().chain([c])).collect();
    format!("%{escaped}%")
}

fn number(name: &str, value: &str) -> Result<i64, ImageError> {
    let number = value.parse().ok().filter(|n: &i64| *n >= 0);
    number.ok_or_else(|| invalid(format!("{name} param must be a non-negative integer")))
}

fn boolean(name: &str, value: &str) -> Result<bool, ImageError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(invalid(format!("invalid value '{value}' for '{name}'"))),
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let text = if text.ends_with('Z') || text.contains('+') { text.to_owned() } else { format!("{text}Z") };
    let parsed = time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).ok()?;
    i64::try_from(parsed.unix_timestamp_nanos() / 1000).ok().map(Timestamp)
}

fn invalid(message: String) -> ImageError {
    ImageError::Invalid(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ImageQuery, ImageError> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        ImageQuery::parse(&pairs, None, None)
    }

    #[test]
    fn the_order_is_total_and_newest_first_by_default() {
        let keys = parse(&[]).unwrap().sort_keys();
        assert_eq!(
            keys.iter().map(|k| (k.expression, k.descending)).collect::<Vec<_>>(),
            [("i.created_at", true), ("i.id", true)]
        );
        let keys = parse(&[("sort", "name:asc,size:desc")]).unwrap().sort_keys();
        assert_eq!(keys.iter().map(|k| k.descending).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn words_that_glance_refuses_are_refused() {
        for pair in [
            ("limit", "-1"),
            ("sort_key", "nonsense"),
            ("sort_dir", "up"),
            ("visibility", "x"),
            ("status", "x"),
            ("marker", "x"),
        ] {
            assert!(parse(&[pair]).is_err(), "{pair:?}");
        }
    }

    #[test]
    fn a_list_of_values_may_quote_commas() {
        assert_eq!(in_list("in:a,\"b,c\""), ["a", "b,c"]);
        assert_eq!(in_list("a,b"), ["a,b"]);
    }
}
