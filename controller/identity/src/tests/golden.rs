//! Golden files: what every route answers, and who may do what. `UPDATE_GOLDEN=1` writes them anew; look at the difference then.

use super::{World, on_project, worlds};
use controller_web::{
    Policy, RouteInfo, Scope, Target, TokenInfo,
    testing::{Answer, call_with},
};
use http::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    path::PathBuf,
};

fn compare(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, was)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, was, "{name}:{} (UPDATE_GOLDEN=1 writes it anew)", number + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{name} (UPDATE_GOLDEN=1 writes it anew)");
}

/// Calls of the script: method, path, body; `=> name` keeps the answer's id under that name, `<name>` stands for it.
const SCRIPT: &str = include_str!("golden/script.txt");

struct Recorder<'a> {
    world: &'a World,
    admin: String,
    /// Ids by their names.
    names: BTreeMap<String, String>,
    covered: BTreeSet<(String, &'static str)>,
    out: String,
}

impl Recorder<'_> {
    fn fill(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("<{name}>"), id))
    }

    /// What differs from run to run becomes a word.
    fn hide(&self, text: &str) -> String {
        let mut ids: Vec<_> = self.names.iter().collect();
        ids.sort_by_key(|(_, id)| std::cmp::Reverse(id.len()));
        let text =
            ids.into_iter().fold(text.to_owned(), |text, (name, id)| text.replace(id.as_str(), &format!("<{name}>")));
        random(&text)
    }

    /// Lists that go by random ids get an order of their own.
    fn order(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|value| self.order(value)),
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.order(item));
                if items.iter().all(Value::is_object) {
                    items.sort_by_cached_key(|item| self.hide(&item.to_string()));
                }
            }
            _ => {}
        }
    }

    async fn line(&mut self, line: &str) {
        let (call, keep) = line.split_once(" => ").map_or((line, None), |(call, name)| (call, Some(name.trim())));
        let mut words = call.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default());
        let body = words
            .next()
            .map(|text| serde_json::from_str(&self.fill(text)).unwrap_or_else(|error| panic!("{line}: {error}")));
        let answer = self.call(method.parse().unwrap(), &self.fill(path), body).await;
        if let Some(name) = keep {
            let json = answer.json();
            let made = json
                .as_object()
                .and_then(|all| all.values().find_map(|one| one.get("id").or_else(|| one.get(0)?.get("id"))));
            let id = made.and_then(Value::as_str).unwrap_or_else(|| panic!("{line}: {json}"));
            self.names.insert(name.to_owned(), id.to_owned());
        }
        self.show(method, path, &answer);
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let subject = [("x-subject-token", self.admin.as_str())];
        let headers: &[_] = if path == "/v3/auth/tokens" { &subject } else { &[] };
        call_with(&self.world.router, method, path, &self.admin, headers, body.as_ref()).await
    }

    fn show(&mut self, method: &str, path: &str, answer: &Answer) {
        if let Some(route) = route(method, path.split('?').next().unwrap_or_default()) {
            self.covered.insert((method.to_owned(), route));
        }
        let _ = writeln!(self.out, "{method} {path}\n{}", answer.status.as_u16());
        match answer.json() {
            Value::Null => {}
            mut body => {
                self.order(&mut body);
                let text = serde_json::to_string_pretty(&body).unwrap();
                let _ = writeln!(self.out, "{}", self.hide(&text));
            }
        }
        self.out.push('\n');
    }
}

/// The route that a path matches: literal words go before names.
fn route(method: &str, path: &str) -> Option<&'static str> {
    static ROUTES: std::sync::OnceLock<Vec<RouteInfo>> = std::sync::OnceLock::new();
    let routes = ROUTES.get_or_init(|| crate::routes().table().to_vec());
    let fits = |route: &&RouteInfo| {
        let (own, given): (Vec<_>, Vec<_>) = (route.path.split('/').collect(), path.split('/').collect());
        let same = |(own, given): (&&str, &&str)| own == given || own.starts_with('{');
        route.method.as_str() == method && own.len() == given.len() && own.iter().zip(&given).all(same)
    };
    routes.iter().filter(fits).min_by_key(|route| route.path.matches('{').count()).map(|route| route.path)
}

/// Random ids, tokens, secrets and moments as words.
fn random(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let secret = ["\"secret\":", "\"blob\":", "\"audit_ids\""].iter().any(|key| line.trim_start().starts_with(key));
        let mut word = String::new();
        for char in line.chars().chain(['\0']) {
            if char.is_ascii_alphanumeric() || matches!(char, '-' | '_') {
                word.push(char);
                continue;
            }
            let hex = word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let coded = word.len() == 22 && word.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
            let long = word.len() >= 40 && !word.contains("openstack");
            out.push_str(if hex {
                "<id>"
            } else if coded || long || (secret && word.len() > 20) {
                "<random>"
            } else {
                &word
            });
            word.clear();
            if char != '\0' {
                out.push(char);
            }
        }
    }
    out
}

/// Every route has a sample: from the script, or else what it answers the administrator who names things that are not there.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_as_the_golden_file_says() {
    let world = worlds().await.remove(0);
    let admin = world.admin().await;
    let names = BTreeMap::new();
    let mut recorder =
        Recorder { world: &world, admin: admin.clone(), names, covered: BTreeSet::new(), out: String::new() };
    for line in SCRIPT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        recorder.line(line).await;
    }
    recorder.out.push_str("# What the script does not call\n\n");
    for route in crate::routes().table() {
        if recorder.covered.contains(&(route.method.to_string(), route.path)) || route.path.contains('*') {
            continue;
        }
        let path = route.path.replace(['{', '}'], "");
        let writes = matches!(route.method, Method::POST | Method::PUT | Method::PATCH);
        let answer = recorder.call(route.method.clone(), &path, writes.then(|| json!({}))).await;
        recorder.show(route.method.as_str(), &path, &answer);
    }
    compare("wire.txt", &recorder.out);
}

/// Who asks, and what of.
fn tokens() -> Vec<(String, TokenInfo)> {
    use controller_web::{testing, token::DomainRef};
    let domain = || DomainRef { id: "default".parse().unwrap(), name: "Default".into() };
    let mut all = Vec::new();
    for role in ["admin", "manager", "member", "reader", "service", "none"] {
        // As the usual roles imply each other.
        let roles: &[&str] = match role {
            "admin" => &["admin", "manager", "member", "reader"],
            "manager" => &["manager", "member", "reader"],
            "member" => &["member", "reader"],
            "reader" => &["reader"],
            "service" => &["service"],
            _ => &[],
        };
        let project = testing::project_token("me", "mine", roles);
        let scopes =
            [("system", Scope::System), ("domain", Scope::Domain(domain())), ("project", project.scope.clone())];
        for (name, scope) in scopes {
            all.push((format!("{role}@{name}"), TokenInfo { scope, ..project.clone() }));
        }
    }
    all
}

/// Every attribute that a rule may look at, of the caller's own things or of others'.
fn target(own: bool) -> Target {
    let (user, project, domain) = if own { ("me", "mine", "default") } else { ("you", "yours", "other") };
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for rule in crate::policy::rules() {
        for piece in rule.check.split("%(").skip(1) {
            let name = piece.split(")s").next().unwrap_or_default();
            let value = match name {
                _ if name.ends_with("domain_id") || name.ends_with("domain.id") => domain,
                _ if name.ends_with("project_id") || name.ends_with("project.id") => project,
                "target.role.name" => "member",
                _ => user,
            };
            names.insert(name.to_owned(), value);
        }
    }
    names.iter().fold(Target::none(), |target, (name, value)| target.named(name, value))
}

#[test]
fn who_may_do_what_is_as_the_golden_file_says() {
    let mut policy = Policy::default();
    policy.add("identity", &crate::policy::rules(), &HashMap::new()).unwrap();
    policy.restrict("identity", crate::policy::SCOPES);
    let rules = policy.of("identity");
    let tokens = tokens();
    let mut out = "# `own`: also on one's own things (user, project, domain); `any`: on everybody's.\n".to_owned();
    for route in crate::routes().table() {
        for rule in route.access.rules() {
            let may = |token: &TokenInfo, own: bool| rules.allows(token, rule, &target(own));
            let list = |wanted: fn(bool, bool) -> bool| {
                let names = tokens.iter().filter(|(_, token)| wanted(may(token, true), may(token, false)));
                names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
            };
            let (any, own) = (list(|_, any| any), list(|own, any| own && !any));
            let _ = writeln!(out, "{} {} {rule}\n    any: {any}\n    own: {own}", route.method, route.path);
        }
    }
    compare("matrix.txt", &out);
}

/// A reader of the world's own domain for the HTTP side of the matrix: what policy says is what the routes do.
#[tokio::test(flavor = "multi_thread")]
async fn what_policy_refuses_the_routes_refuse() {
    let world = worlds().await.remove(0);
    let admin = world.admin().await;
    world.member(&admin, "carol", "reader").await;
    let carol = world.token("carol", "secret", on_project("carol")).await;
    let mut policy = Policy::default();
    policy.add("identity", &crate::policy::rules(), &HashMap::new()).unwrap();
    let reader = controller_web::testing::project_token("me", "mine", &["reader"]);
    for route in
        crate::routes().table().iter().filter(|route| route.method == Method::GET && !route.access.rules().is_empty())
    {
        let refused = |rule: &str| !policy.of("identity").allows(&reader, rule, &target(true));
        if route.access.rules().iter().all(|rule| refused(rule)) {
            let path = route.path.replace(['{', '}'], "");
            let status = world.get(&path, &carol).await.status.as_u16();
            assert!(matches!(status, 401 | 403 | 404), "{} {status}", route.path);
        }
    }
}
