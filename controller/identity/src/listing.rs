//! What all of Keystone's lists know: filters, limits and markers.

use controller_db::{Filter, Value};
use controller_web::{ApiError, BaseUrl, Context, Json, Params, paging};
use serde_json::json;

/// Who asks for a list, with which parameters, and how many items the operator lets out at once.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub params: &'a Params,
    pub context: &'a Context,
    pub most: Option<usize>,
}

impl<'a> Query<'a> {
    /// Behind which item the answer begins.
    pub(crate) fn marker(&self) -> Option<&'a str> {
        self.params.get("marker").filter(|marker| !marker.is_empty())
    }

    /// How many items the answer has at most.
    ///
    /// # Errors
    /// 400 for a limit that is no number.
    pub(crate) fn most(&self) -> Result<Option<usize>, ApiError> {
        let asked = match self.params.get("limit") {
            None => None,
            Some(_) => paging::page(self.params, u32::MAX)?.limit.and_then(|limit| usize::try_from(limit).ok()),
        };
        Ok([asked.filter(|limit| *limit > 0), self.most].into_iter().flatten().min())
    }
}

/// What a client hears whose marker is nowhere.
pub(crate) fn no_marker(marker: &str) -> ApiError {
    ApiError::bad_request(format!("Marker {marker} could not be found."))
}

/// `{"<key>": [..], "links": {..}}`: what `limit` and `marker` ask for. A list that the operator's bound cuts says so
/// (`"truncated": true`).
///
/// # Errors
/// 400 for a limit that is no number or a marker that is not in the list.
pub(crate) fn answer<T>(
    key: &str,
    all: &[T],
    query: Query<'_>,
    id: impl Fn(&T) -> &str,
    render: impl Fn(&T, &BaseUrl) -> serde_json::Value,
) -> Result<Json<serde_json::Value>, ApiError> {
    let rest = match query.marker() {
        None => all,
        Some(marker) => {
            let place = all.iter().position(|item| id(item) == marker).ok_or_else(|| no_marker(marker))?;
            all.get(place + 1..).unwrap_or_default()
        }
    };
    page(key, rest, query, id, render)
}

/// The same of what lies behind the marker: all of it, or at least one item more than the answer may have.
pub(crate) fn page<T>(
    key: &str,
    rest: &[T],
    query: Query<'_>,
    id: impl Fn(&T) -> &str,
    render: impl Fn(&T, &BaseUrl) -> serde_json::Value,
) -> Result<Json<serde_json::Value>, ApiError> {
    let most = query.most()?;
    let items = most.and_then(|most| rest.get(..most)).unwrap_or(rest);
    let self_link = query.context.self_link();
    let next = items.last().filter(|_| items.len() < rest.len());
    let next = next.map(|last| paging::next_link(&self_link, query.params, id(last)));
    let shown: Vec<_> = items.iter().map(|item| render(item, query.context.url())).collect();
    let mut body = json!({key: shown, "links": {"self": self_link, "previous": null, "next": next}});
    if items.len() < rest.len() && most == query.most {
        body["truncated"] = true.into();
    }
    Ok(Json(body))
}

/// Applies `name=`, `name__contains=`, `__icontains`, `__startswith`, `__istartswith`, `__endswith`, `__iendswith` for each
/// parameter and its column.
pub(crate) fn by_text(mut filter: Filter, params: &Params, columns: &[(&str, &str)]) -> Filter {
    for (parameter, column) in columns {
        filter = filter.and_eq(column, params.get(parameter));
        for (suffix, before, after, fold) in INEXACT {
            if let Some(text) = params.get(&format!("{parameter}__{suffix}")) {
                filter = like(filter, column, text, before, after, *fold);
            }
        }
    }
    filter
}

const INEXACT: &[(&str, &str, &str, bool)] = &[
    ("contains", "%", "%", false),
    ("icontains", "%", "%", true),
    ("startswith", "", "%", false),
    ("istartswith", "", "%", true),
    ("endswith", "%", "", false),
    ("iendswith", "%", "", true),
];

fn like(filter: Filter, column: &str, text: &str, before: &str, after: &str, fold: bool) -> Filter {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = format!("{before}{escaped}{after}");
    if fold {
        let condition = format!("LOWER({column}) LIKE ? ESCAPE '\\'");
        filter.and(&condition, [Value::from(pattern.to_lowercase())])
    } else {
        filter.and(&format!("{column} LIKE ? ESCAPE '\\'"), [Value::from(pattern)])
    }
}

/// `enabled=`: `0`, `false` and the like ask for the disabled, anything else for the enabled.
pub(crate) fn by_enabled(filter: Filter, params: &Params, column: &str) -> Filter {
    match params.get("enabled") {
        None => filter,
        Some(text) => filter.and_eq(column, Some(controller_web::query::parse_flag(text).unwrap_or(true))),
    }
}
