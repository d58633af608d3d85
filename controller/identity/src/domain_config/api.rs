//! `/v3/domains/{id}/config` and `/v3/domains/config/default`.

use super::{Options, Part, service};
use crate::{Identity, IdentityError, policy::visible, project::Project};
use axum::extract::{Path, State};
use controller_base::id::DomainId;
use controller_web::{Access, ApiError, Context, Json, Routes, Target};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

const SHOW: &str = "identity:get_domain_config";
const COMPLIANCE: &str = "identity:get_security_compliance_domain_config";
const SHOW_GROUP: Access = Access::AnyOf(&[SHOW, COMPLIANCE]);
const CREATE: &str = "identity:create_domain_config";
const UPDATE: &str = "identity:update_domain_config";
const DELETE: &str = "identity:delete_domain_config";
const DEFAULT: &str = "identity:get_domain_config_default";

const ALL: &str = "/v3/domains/{domain_id}/config";
const GROUP: &str = "/v3/domains/{domain_id}/config/{group}";
const OPTION: &str = "/v3/domains/{domain_id}/config/{group}/{option}";

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/domains/config/default", DEFAULT, default)
        .get("/v3/domains/config/{group}/default", DEFAULT, default)
        .get("/v3/domains/config/{group}/{option}/default", DEFAULT, default)
        .put(ALL, CREATE, create)
        .get(ALL, SHOW, show)
        .patch(ALL, UPDATE, update)
        .delete(ALL, DELETE, delete)
        .get(GROUP, SHOW_GROUP, show)
        .patch(GROUP, UPDATE, update)
        .delete(GROUP, DELETE, delete)
        .get(OPTION, SHOW_GROUP, show)
        .patch(OPTION, UPDATE, update)
        .delete(OPTION, DELETE, delete)
}

#[derive(Debug, Deserialize)]
struct Body {
    config: Value,
}

/// What a path names.
#[derive(Debug, Deserialize)]
struct Names {
    domain_id: Option<String>,
    group: Option<String>,
    option: Option<String>,
}

impl Names {
    fn part(&self) -> Part<'_> {
        match (&self.group, &self.option) {
            (Some(group), Some(option)) => Part::Option(group, option),
            (Some(group), None) => Part::Group(group),
            (None, _) => Part::All,
        }
    }

    fn domain(&self) -> &str {
        self.domain_id.as_deref().unwrap_or_default()
    }
}

async fn domain(identity: &Identity, context: &Context, names: &Names, rule: &str) -> Result<DomainId, ApiError> {
    let target = |domain: &Project| Target::none().with("target.domain.id", &domain.id);
    Ok(visible(identity.domain(names.domain()).await, context, rule, target)?.owning_domain())
}

/// `{"config": ..}`: groups with options, or a single option.
fn render(options: &Options, part: Part<'_>) -> Json<Value> {
    match part {
        Part::Option(group, option) => {
            let value = options.get(group).and_then(|options| options.get(option));
            Json(json!({"config": {option: value}}))
        }
        Part::All | Part::Group(_) => Json(json!({"config": options})),
    }
}

async fn default(context: Context, Path(names): Path<Names>) -> Result<Json<Value>, ApiError> {
    context.enforce(DEFAULT, &Target::none())?;
    Ok(render(&service::defaults(names.part())?, names.part()))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path(names): Path<Names>,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let domain = domain(&identity, &context, &names, CREATE).await?;
    let options = service::wanted(Part::All, body.config)?;
    let new = identity.create_options(&domain, &options).await?;
    let shown = identity.shown_options(&domain, Part::All).await;
    let shown = match shown {
        // Nothing but secrets was set.
        Err(IdentityError::Missing(_)) => Options::new(),
        other => other?,
    };
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, render(&shown, Part::All)))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(names): Path<Names>,
) -> Result<Json<Value>, ApiError> {
    if names.group.as_deref() == Some("security_compliance") {
        return compliance(&identity, &context, &names).await;
    }
    let domain = domain(&identity, &context, &names, SHOW).await?;
    Ok(render(&identity.shown_options(&domain, names.part()).await?, names.part()))
}

/// What passwords must look like is for everybody to know; it is the same for all domains and shown of the default one.
async fn compliance(identity: &Identity, context: &Context, names: &Names) -> Result<Json<Value>, ApiError> {
    let domain = domain(identity, context, names, COMPLIANCE).await?;
    if domain.as_str() != "default" {
        let reason =
            "Reading security compliance information for any domain other than the default domain is not allowed";
        return Err(ApiError::forbidden(format!("{reason} or supported.")));
    }
    let rules = &identity.compliance;
    let shown =
        [("password_regex", &rules.password_regex), ("password_regex_description", &rules.password_regex_description)];
    // Keystone shows a rule that is not there as null.
    let shown =
        shown.map(|(name, text)| (name.to_owned(), Value::from(Some(text.as_str()).filter(|text| !text.is_empty()))));
    let options = Options::from([("security_compliance".to_owned(), shown.into_iter().collect())]);
    if let Some(option) = &names.option
        && !options["security_compliance"].contains_key(option)
    {
        let reason = format!("Reading option {option} of security_compliance is not allowed.");
        return Err(ApiError::forbidden(reason));
    }
    Ok(render(&options, names.part()))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(names): Path<Names>,
    Json(body): Json<Body>,
) -> Result<Json<Value>, ApiError> {
    let domain = domain(&identity, &context, &names, UPDATE).await?;
    Ok(render(&identity.update_options(&domain, names.part(), body.config).await?, Part::All))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(names): Path<Names>,
) -> Result<StatusCode, ApiError> {
    let domain = domain(&identity, &context, &names, DELETE).await?;
    identity.delete_options(&domain, names.part()).await?;
    Ok(StatusCode::NO_CONTENT)
}
