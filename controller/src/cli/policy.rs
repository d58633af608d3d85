//! `controller policy list` and `controller policy check`.

use crate::{config::Config, wiring};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use controller_base::Timestamp;
use controller_web::{
    Scope, Target, TokenInfo,
    policy::Sources,
    token::{DomainRef, ProjectRef, RoleRef, UserRef},
};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every rule as it is in force; `*` marks those that the operator changed, with the place.
    List {
        /// Only this service's.
        service: Option<String>,
    },
    /// Whether all rules can be used; with a rule's name, whether and why it lets somebody pass.
    Check(Box<Check>),
}

#[derive(Debug, clap::Args)]
struct Check {
    /// The rule to explain, such as identity:update_user.
    rule: Option<String>,
    /// The service whose rule it is; needed where several have one of this name.
    #[arg(long)]
    service: Option<String>,
    /// A role of the caller; may be repeated.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// The caller's id.
    #[arg(long, default_value = "user")]
    user_id: String,
    /// The id of the caller's domain.
    #[arg(long, default_value = "default")]
    user_domain_id: String,
    /// The token is of this project.
    #[arg(long, conflicts_with_all = ["domain_id", "system"])]
    project_id: Option<String>,
    /// The domain of that project.
    #[arg(long, default_value = "default")]
    project_domain_id: String,
    /// The token is of this domain.
    #[arg(long, conflicts_with = "system")]
    domain_id: Option<String>,
    /// The token is of the system.
    #[arg(long)]
    system: bool,
    /// An attribute of what shall be touched: target.user.domain_id=default; may be repeated.
    #[arg(long = "target", value_name = "NAME=VALUE")]
    targets: Vec<String>,
}

pub fn run(arguments: Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let sources = wiring::policy::sources(config)?;
    match arguments.command {
        Command::List { service } => list(&sources, service.as_deref()),
        Command::Check(check) => match &check.rule {
            None => {
                sources.load()?;
                println!("ok");
                Ok(ExitCode::SUCCESS)
            }
            Some(rule) => explain(&sources, rule, &check),
        },
    }
}

fn list(sources: &Sources, only: Option<&str>) -> anyhow::Result<ExitCode> {
    sources.load()?;
    let changed = sources.changed()?;
    for (service, rules) in sources.services.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        for rule in controller_web::policy::texts(service, rules, &changed.overrides)? {
            let mark = if rule.overridden { '*' } else { ' ' };
            let place = match changed.place(service, &rule.name) {
                Some((file, line)) => format!("  {}:{line}", file.display()),
                None => String::new(),
            };
            println!("{mark} {service}  {}  \"{}\"  # {}{place}", rule.name, rule.check, rule.description);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(sources: &Sources, rule: &str, check: &Check) -> anyhow::Result<ExitCode> {
    let policy = sources.load()?;
    let wanted = |name: &str| check.service.as_deref().is_none_or(|service| service == name);
    let having: Vec<_> = sources.services.iter().map(|(name, _)| *name).filter(|name| wanted(name)).collect();
    let having: Vec<_> = having.into_iter().filter(|name| policy.of(name).has(rule)).collect();
    let service = match having.as_slice() {
        [service] => *service,
        [] => bail!("there is no rule {rule}"),
        several => bail!("{} have a rule {rule}: say which with --service", several.join(" and ")),
    };
    let token = check.token()?;
    let target = check.target()?;
    let why = policy.of(service).explain(&token, rule, &target).context("the rule is gone")?;
    print!("{why}");
    println!("{}", if why.holds { "allowed" } else { "refused" });
    for failed in why.failed() {
        println!(
            "  failed: {}{}",
            failed.check,
            failed.because.iter().map(|text| format!(" ({text})")).collect::<String>()
        );
    }
    Ok(if why.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Check {
    fn token(&self) -> anyhow::Result<TokenInfo> {
        let domain = |id: &str| -> anyhow::Result<DomainRef> { Ok(DomainRef { id: id.parse()?, name: id.to_owned() }) };
        let scope = match (&self.project_id, &self.domain_id, self.system) {
            (Some(project), _, _) => Scope::Project(ProjectRef {
                id: project.parse()?,
                name: project.clone(),
                domain: domain(&self.project_domain_id)?,
                is_domain: false,
            }),
            (None, Some(id), _) => Scope::Domain(domain(id)?),
            (None, None, true) => Scope::System,
            (None, None, false) => Scope::Unscoped,
        };
        let role = |name: &String| -> anyhow::Result<RoleRef> { Ok(RoleRef { id: name.parse()?, name: name.clone() }) };
        let user = UserRef {
            id: self.user_id.parse()?,
            name: self.user_id.clone(),
            domain: domain(&self.user_domain_id)?,
            password_expires_at: None,
        };
        Ok(TokenInfo {
            user,
            scope,
            roles: self.roles.iter().map(role).collect::<Result<_, _>>()?,
            methods: Vec::new(),
            audit_ids: Vec::new(),
            issued_at: Timestamp(0),
            expires_at: Timestamp(i64::MAX),
            delegation: None,
            federation: None,
        })
    }

    fn target(&self) -> anyhow::Result<Target> {
        self.targets.iter().try_fold(Target::none(), |target, pair| {
            let (name, value) = pair.split_once('=').with_context(|| format!("{pair}: NAME=VALUE is wanted"))?;
            Ok(target.named(name, value))
        })
    }
}
