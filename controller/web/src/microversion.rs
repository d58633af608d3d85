//! Microversions: `OpenStack-API-Version: compute 2.79`, and Nova's older header.

use crate::ApiError;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{fmt, str::FromStr};

const STANDARD: &str = "openstack-api-version";

/// A microversion; ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion {
    /// Before the dot.
    pub major: u16,
    /// Behind it.
    pub minor: u16,
}

impl Microversion {
    /// Such as `Microversion::new(2, 79)`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether this is `2.minor` or later: `if context.microversion().at_least(2, 47)`.
    #[must_use]
    pub fn at_least(self, major: u16, minor: u16) -> bool {
        self >= Self::new(major, minor)
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Microversion {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = |part: &str| {
            let plain = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().map_err(|_| ()) } else { Err(()) }
        };
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self::new(digits(major)?, digits(minor)?))
    }
}

/// What a service speaks.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The word in `OpenStack-API-Version`: `compute`, `placement`, `volume`.
    pub service_type: &'static str,
    /// An older header, lower case: `x-openstack-nova-api-version`.
    pub legacy_header: Option<&'static str>,
    /// The least; also what a client gets that asks for none.
    pub least: Microversion,
    /// The greatest.
    pub greatest: Microversion,
}

impl Range {
    pub(crate) fn echo(&self, headers: &mut HeaderMap, version: Option<Microversion>) {
        let mut vary = "OpenStack-API-Version".to_owned();
        if let Some(version) = version {
            insert(headers, STANDARD, &format!("{} {version}", self.service_type));
            if let Some(legacy) = self.legacy_header {
                insert(headers, legacy, &version.to_string());
            }
        }
        if self.legacy_header.is_some() {
            vary.push_str(", X-OpenStack-Nova-API-Version");
        }
        insert(headers, header::VARY.as_str(), &vary);
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(value)) {
        headers.append(name, value);
    }
}

/// The version that a request asks for; `None` for a service without microversions.
pub(crate) fn negotiate(range: Option<&Range>, headers: &HeaderMap) -> Result<Option<Microversion>, ApiError> {
    let Some(range) = range else { return Ok(None) };
    let Some(wanted) = wanted(range, headers) else { return Ok(Some(range.least)) };
    if wanted.eq_ignore_ascii_case("latest") {
        return Ok(Some(range.greatest));
    }
    let version: Microversion = wanted.parse().map_err(|()| {
        ApiError::bad_request(format!(
            "API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum."
        ))
    })?;
    if version < range.least || version > range.greatest {
        return Err(ApiError::not_acceptable(format!(
            "Version {version} is not supported by the API. Minimum is {} and maximum is {}.",
            range.least, range.greatest
        )));
    }
    Ok(Some(version))
}

fn wanted<'a>(range: &Range, headers: &'a HeaderMap) -> Option<&'a str> {
    let values = headers.get_all(STANDARD).iter().filter_map(|value| value.to_str().ok());
    let ours = values.flat_map(|value| value.split(',')).find_map(|part| {
        let (service, version) = part.trim().split_once(' ')?;
        (service == range.service_type).then(|| version.trim())
    });
    ours.or_else(|| headers.get(range.legacy_header?)?.to_str().ok().map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    const RANGE: Range = Range {
        service_type: "compute",
        legacy_header: Some("x-openstack-nova-api-version"),
        least: Microversion::new(2, 1),
        greatest: Microversion::new(2, 96),
    };

    fn ask(name: &'static str, value: &'static str) -> Result<String, StatusCode> {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        match negotiate(Some(&RANGE), &headers) {
            Ok(version) => Ok(version.unwrap().to_string()),
            Err(error) => Err(error.status()),
        }
    }

    #[test]
    fn either_header_chooses() {
        assert_eq!(ask("accept", "x"), Ok("2.1".into()));
        assert_eq!(ask("openstack-api-version", "volume 3.0, compute 2.53"), Ok("2.53".into()));
        assert_eq!(ask("openstack-api-version", "compute latest"), Ok("2.96".into()));
        assert_eq!(ask("openstack-api-version", "volume 3.0"), Ok("2.1".into()));
        assert_eq!(ask("x-openstack-nova-api-version", "2.9"), Ok("2.9".into()));
    }

    #[test]
    fn nonsense_and_the_future_are_told_apart() {
        assert_eq!(ask("openstack-api-version", "compute 2"), Err(StatusCode::BAD_REQUEST));
        assert_eq!(ask("openstack-api-version", "compute 2.01"), Err(StatusCode::BAD_REQUEST));
        assert_eq!(ask("openstack-api-version", "compute 2.97"), Err(StatusCode::NOT_ACCEPTABLE));
        assert_eq!(ask("openstack-api-version", "compute 3.0"), Err(StatusCode::NOT_ACCEPTABLE));
    }
}
