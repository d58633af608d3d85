//! The cloud beside the real thing.

use anyhow::Result;
use humilis_compat::{Place, golden};

/// Every identity command of OpenStack's client, and what it prints.
#[test]
fn the_clients_identity_commands() -> Result<()> {
    let place = Place::new("cli", "")?;
    let commands = humilis_compat::root().join("golden/identity.commands");
    let said = place.script("openstackclient", "cli.py", &["openstack.identity.v3", &commands.to_string_lossy()])?;
    golden("identity.txt", &said)
}

/// Every command of the client's placement plugin: what can be read of a host, and what is not offered.
#[test]
fn the_clients_placement_commands() -> Result<()> {
    let place = Place::with_host("placement")?;
    let commands = humilis_compat::root().join("golden/placement.commands");
    let said = place.script("openstackclient", "cli.py", &["openstack.placement.v1", &commands.to_string_lossy()])?;
    assert!(said.contains("| HW_CPU_X86_SSE2 |"), "the host tells what its processors can do: {said}");
    assert!(said.contains("| HW_NUMA_ROOT |"), "and its nodes: {said}");
    golden("placement.txt", &without_processors(&said))
}

/// What this machine's processors can do, and whether it has nodes of them, is another machine's business.
fn without_processors(said: &str) -> String {
    const ALONE: &str = "| HW_";
    const AMONG: &str = ",HW_CPU_X86_";
    let mut out = String::new();
    for line in said.lines().filter(|line| !line.starts_with(ALONE)) {
        let mut parts = line.split(AMONG);
        out += parts.next().unwrap_or_default();
        out.extend(parts.map(|part| part.trim_start_matches(|char: char| char.is_ascii_alphanumeric())));
        out.push('\n');
    }
    out
}

/// Real Keystone and this cloud read each other's tokens of every kind.
#[test]
fn keystone_tokens() -> Result<()> {
    let place = Place::new("keystone", "")?;
    let plan = &place.cloud.plan;
    let (folder, keys) = (place.folder("keystone"), plan.folder.join("controller/fernet-keys"));
    let said = place.script(
        "keystone",
        "keystone_tokens.py",
        &[
            &folder.to_string_lossy(),
            &keys.to_string_lossy(),
            &plan.identity_url(),
            &plan.ca().to_string_lossy(),
            &plan.password,
        ],
    )?;
    assert_eq!(said.lines().filter(|line| line.ends_with("the same on both sides")).count(), 18, "{said}");
    Ok(())
}

const OIDC: &str = "[identity.federation]\ntrusted_dashboards = ['https://horizon.test/auth/websso/']\n\
     [identity.oidc.acme]\nidentity_provider = 'acme'\nissuer = 'http://127.0.0.1:9400'\nclient_id = 'cloud'\n\
     client_secret = 'secret'\n\
     [identity.oidc.opaque]\nidentity_provider = 'opaque'\nissuer = 'http://127.0.0.1:9400'\nclient_id = 'cloud'\n\
     client_secret = 'secret'\nopaque_tokens = 'userinfo'\n";

/// Users of a provider of OpenID Connect, by keystoneauth's plugins and by a browser.
#[test]
fn openid_connect() -> Result<()> {
    let place = Place::new("oidc", OIDC)?;
    let mut provider = place.program("oidc-provider", "oidc-provider-mock");
    let _provider = place.background(provider.args(["--port", "9400"]), 9400)?;
    let plan = &place.cloud.plan;
    let ca = plan.ca();
    let arguments = [&plan.identity_url(), &*ca.to_string_lossy(), &plan.password, "http://127.0.0.1:9400"];
    place.script("openstackclient", "oidc.py", &arguments)?;
    Ok(())
}

/// Users and groups of a slapd.
#[test]
fn ldap() -> Result<()> {
    let place = Place::new("ldap", "")?;
    let plan = &place.cloud.plan;
    let (ca, folder) = (plan.ca(), place.folder("slapd"));
    let arguments = [&plan.identity_url(), &*ca.to_string_lossy(), &plan.password, &*folder.to_string_lossy()];
    place.script("openstackclient", "directory.py", &arguments)?;
    Ok(())
}

/// Requests to EC2 and S3 that boto3 signed, in each version of the signature.
#[test]
fn aws_signatures() -> Result<()> {
    let place = Place::new("aws", "")?;
    let plan = &place.cloud.plan;
    let ca = plan.ca();
    let said = place.script("aws", "aws.py", &[&plan.identity_url(), &*ca.to_string_lossy(), &plan.password])?;
    assert_eq!(said.trim(), "6 signed requests");
    Ok(())
}

/// The examples of the operators' gRPC API, as the document has them.
#[test]
fn admin_api() -> Result<()> {
    let place = Place::new("grpc", "")?;
    let plan = &place.cloud.plan;
    let issue = ["token", "issue", "-f", "value", "-c", "id"];
    // The first one is an event to read, the second one follows it.
    place.program("openstackclient", "openstack").args(issue).output()?;
    let token = place.program("openstackclient", "openstack").args(issue).output()?;
    let mut python = place.program("grpc", "python");
    python.env("TOKEN", String::from_utf8_lossy(&token.stdout).trim()).env("CA", plan.ca());
    python.env("ADDRESS", format!("localhost:{}", plan.port + 4));
    python.arg(humilis_compat::root().join("scripts/document.py"));
    let said = python.arg(humilis_compat::root().join("../../docs/admin-api.md")).output()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    assert!(text.ends_with("5 examples\n"), "{text}");
    Ok(())
}
