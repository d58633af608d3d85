//! Limits, markers and sort orders of lists, and the links to the next page.

use crate::{ApiError, Params};
use controller_base::Page;

/// One key of a wanted order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column or expression that stands for the client's word.
    pub expression: &'static str,
    /// From the greatest to the least.
    pub descending: bool,
}

/// Words that clients sort by, and what stands for them in SQL.
pub type SortWords = &'static [(&'static str, &'static str)];

/// Reads `limit`, `marker` and `page_reverse`. `most` bounds the limit and stands in where none is given.
///
/// # Errors
/// 400 for a limit that is no number.
pub fn page(params: &Params, most: u32) -> Result<Page, ApiError> {
    let limit = match params.get("limit") {
        None => most,
        Some(text) => limit(text)?.min(most),
    };
    Ok(Page {
        limit: Some(limit),
        marker: params.get("marker").filter(|marker| !marker.is_empty()).map(str::to_owned),
        reverse: params.get("page_reverse").is_some_and(|text| text.eq_ignore_ascii_case("true")),
    })
}

fn limit(text: &str) -> Result<u32, ApiError> {
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err(ApiError::bad_request("limit must be non-negative")),
        Ok(number) => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
        Err(_) => Err(ApiError::bad_request(format!("Invalid value '{text}' for limit: an integer is wanted"))),
    }
}

/// Reads `sort_key`/`sort_dir` pairs or `sort=key:dir,...`. Without either, `default`. The caller appends its unique key.
///
/// # Errors
/// 400 for a key or direction that is unknown.
pub fn sort(params: &Params, words: SortWords, default: &[Sort]) -> Result<Vec<Sort>, ApiError> {
    let pairs: Vec<(&str, Option<&str>)> = match params.get("sort") {
        Some(text) => text.split(',').map(str::trim).map(split_colon).collect(),
        None => {
            let mut directions = params.all("sort_dir");
            params.all("sort_key").map(|key| (key, directions.next())).collect()
        }
    };
    if pairs.is_empty() {
        let mut order = default.to_vec();
        if let Some(direction) = params.get("sort_dir") {
            let descending = descending(Some(direction))?;
            order.iter_mut().for_each(|sort| sort.descending = descending);
        }
        return Ok(order);
    }
    pairs.into_iter().map(|(key, direction)| one(key, direction, words)).collect()
}

fn split_colon(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(key, direction)| (key, Some(direction)))
}

fn one(key: &str, direction: Option<&str>, words: SortWords) -> Result<Sort, ApiError> {
    let known = words.iter().find(|(word, _)| *word == key);
    let (_, expression) = known.ok_or_else(|| ApiError::bad_request(format!("Invalid sort key: {key}")))?;
    Ok(Sort { expression, descending: descending(direction)? })
}

fn descending(direction: Option<&str>) -> Result<bool, ApiError> {
    match direction {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(other) => Err(ApiError::bad_request(format!("Invalid sort direction: {other}"))),
    }
}

/// The link to the page behind `marker`: this list's own link and query with the marker changed.
#[must_use]
pub fn next_link(self_link: &str, params: &Params, marker: &str) -> String {
    format!("{self_link}?{}", params.with("marker", Some(marker)).encode())
}

/// Nova's and Neutron's `[{"rel": "next", "href": ..}]`, to be put as `servers_links` or `ports_links` where there is a next page.
#[must_use]
pub fn rel_next(self_link: &str, params: &Params, marker: &str) -> serde_json::Value {
    serde_json::json!([{"rel": "next", "href": next_link(self_link, params, marker)}])
}

/// Neutron's links: both directions, as far as they exist.
#[must_use]
pub fn rel_both(
    self_link: &str,
    params: &Params,
    next: Option<&str>,
    previous: Option<&str>,
) -> Vec<serde_json::Value> {
    let mut links = Vec::new();
    if let Some(marker) = next {
        let params = params.with("page_reverse", None);
        links.push(serde_json::json!({"rel": "next", "href": next_link(self_link, &params, marker)}));
    }
    if let Some(marker) = previous {
        let params = params.with("page_reverse", Some("True"));
        links.push(serde_json::json!({"rel": "previous", "href": next_link(self_link, &params, marker)}));
    }
    links
}

/// Keystone's `links` of a list that is always complete.
#[must_use]
pub fn whole(self_link: &str) -> serde_json::Value {
    serde_json::json!({"self": self_link, "previous": null, "next": null})
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: SortWords = &[("name", "name"), ("created_at", "created")];

    #[test]
    fn limits_are_bounded() {
        assert_eq!(page(&Params::parse("limit=5&marker=m"), 1000).unwrap().limit, Some(5));
        assert_eq!(page(&Params::parse("limit=99999999999"), 1000).unwrap().limit, Some(1000));
        assert_eq!(page(&Params::parse("marker="), 1000).unwrap().marker, None);
        assert!(page(&Params::parse("limit=-1"), 1000).is_err());
        assert!(page(&Params::parse("limit=x"), 1000).is_err());
    }

    #[test]
    fn both_ways_to_sort_are_read() {
        let expected =
            [Sort { expression: "name", descending: true }, Sort { expression: "created", descending: false }];
        let pairs = Params::parse("sort_key=name&sort_dir=desc&sort_key=created_at&sort_dir=asc");
        assert_eq!(sort(&pairs, WORDS, &[]).unwrap(), expected);
        assert_eq!(sort(&Params::parse("sort=name:desc,created_at"), WORDS, &[]).unwrap(), expected);
        assert!(sort(&Params::parse("sort_key=password"), WORDS, &[]).is_err());
        assert!(sort(&Params::parse("sort=name:down"), WORDS, &[]).is_err());
    }

    #[test]
    fn a_next_link_keeps_filters() {
        let link = next_link("https://c/v2.1/servers", &Params::parse("name=a&limit=2&marker=x"), "y");
        assert_eq!(link, "https://c/v2.1/servers?name=a&limit=2&marker=y");
    }
}
