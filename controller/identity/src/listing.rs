//! Filters that all of Keystone's lists know.

use controller_db::{Filter, Value};
use controller_web::Params;

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
