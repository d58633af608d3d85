//! The first administrator and the catalog.

use super::Cloud;
use crate::config::{Config, Tls};
use anyhow::Context as _;
use controller_base::{Secret, id::UserId};
use controller_identity::{Bootstrap, CatalogEntry};
use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Makes what is missing: at the first start (or with `again`) the administrator with everything around; at every start the
/// catalog as the configuration has it.
///
/// # Errors
/// The database or the state directory fails.
pub async fn bootstrap(cloud: &Cloud, again: bool) -> anyhow::Result<()> {
    let config = &cloud.platform.config;
    publish_authority(cloud)?;
    if !again && !cloud.identity.is_empty().await? {
        let catalog = catalog(&config.api.base_url());
        return Ok(cloud.identity.publish(&config.identity.region, &catalog).await?);
    }
    let given = &config.identity.admin_password;
    let made = || Secret::new(UserId::random().to_string());
    let password = if given.reveal().is_empty() { made() } else { given.clone() };
    let wanted = Bootstrap {
        user: config.identity.admin_user.clone(),
        password: password.clone(),
        reset_password: again,
        project: config.identity.admin_project.clone(),
        region: config.identity.region.clone(),
        catalog: catalog(&config.api.base_url()),
    };
    // Written before the administrator exists: a crash in between is mended by the next start.
    let path = config.state_directory.join("clouds.yaml");
    write(&path, &clouds_yaml(config, &password), 0o600)?;
    cloud.identity.bootstrap(&wanted).await?;
    tracing::info!(user = wanted.user, clouds = %path.display(), "the administrator is there");
    Ok(())
}

/// Writes down what clients of the REST APIs shall trust: two authorities while one is replaced.
///
/// # Errors
/// The state directory fails.
pub fn publish_authority(cloud: &Cloud) -> anyhow::Result<()> {
    write(&cloud.platform.config.state_directory.join("ca.pem"), &cloud.platform.authority.pem(), 0o644)
}

/// The services of this binary and where clients find them.
fn catalog(base: &str) -> Vec<CatalogEntry> {
    [
        ("identity", "keystone", "/identity"),
        ("image", "glance", "/image"),
        ("compute", "nova", "/compute/v2.1"),
        ("network", "neutron", "/network"),
        ("placement", "placement", "/placement"),
    ]
    .map(|(kind, name, path)| CatalogEntry {
        kind: kind.to_owned(),
        name: name.to_owned(),
        url: format!("{base}{path}"),
    })
    .to_vec()
}

/// For `openstack --os-cloud humilis`; `humilis-system` is scoped on the system.
fn clouds_yaml(config: &Config, password: &Secret) -> String {
    let quote = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let entry = |name: &str, scope: &str| {
        let cacert = match config.api.tls {
            Tls::Authority => {
                format!("    cacert: {}\n", quote(&config.state_directory.join("ca.pem").to_string_lossy()))
            }
            Tls::Files | Tls::Off => String::new(),
        };
        format!(
            "  {name}:\n    auth:\n      auth_url: {}\n      username: {}\n      password: {}\n      user_domain_id: default\n\
             {scope}    region_name: {}\n    interface: public\n    identity_api_version: 3\n{cacert}",
            quote(&format!("{}/identity/v3", config.api.base_url())),
            quote(&config.identity.admin_user),
            quote(password.reveal()),
            quote(&config.identity.region),
        )
    };
    let project = quote(&config.identity.admin_project);
    let project = format!("      project_name: {project}\n      project_domain_id: default\n");
    format!("clouds:\n{}{}", entry("humilis", &project), entry("humilis-system", "      system_scope: all\n"))
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let beside = path.with_extension("tmp");
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside);
    let mut file = open.with_context(|| format!("cannot write {}", beside.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}
