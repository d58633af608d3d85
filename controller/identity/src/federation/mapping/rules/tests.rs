//! The language by its cases: each rule's remote part against assertions, each local part's result.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn attributes(given: &[(&str, &str)]) -> Attributes {
    let texts: BTreeMap<_, _> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    split(&texts)
}

fn apply(version: &str, rules: Value, given: &[(&str, &str)]) -> Result<Mapped, MapError> {
    Mapping::read(version, &rules).unwrap().apply(&attributes(given))
}

/// One rule with a user called like match 0.
fn rule(remote: Value, local: Value) -> Value {
    json!([{"remote": remote, "local": local}])
}

fn named(domain: &str) -> DomainKey {
    DomainKey::Name(domain.to_owned())
}

fn group(name: &str, domain: DomainKey) -> MappedGroup {
    MappedGroup { name: name.to_owned(), domain }
}

#[test]
fn a_rule_applies_when_all_its_requirements_are_met() {
    let given = [("User", "bob"), ("Groups", "dev;ops;guests")];
    for (requirement, met) in [
        (json!({"type": "Groups"}), true),
        (json!({"type": "Other"}), false),
        (json!({"type": "groups"}), false),
        (json!({"type": "Groups", "any_one_of": ["ops", "qa"]}), true),
        (json!({"type": "Groups", "any_one_of": ["qa"]}), false),
        (json!({"type": "Groups", "any_one_of": ["op"]}), false),
        (json!({"type": "Groups", "any_one_of": []}), false),
        (json!({"type": "Groups", "any_one_of": [1, null, "dev"]}), true),
        (json!({"type": "Groups", "any_one_of": ["^op"], "regex": true}), true),
        (json!({"type": "Groups", "any_one_of": ["^s$"], "regex": true}), false),
        (json!({"type": "Groups", "any_one_of": ["^op"], "regex": false}), false),
        (json!({"type": "Groups", "not_any_of": ["qa"]}), true),
        (json!({"type": "Groups", "not_any_of": ["qa", "guests"]}), false),
        (json!({"type": "Groups", "not_any_of": []}), true),
        (json!({"type": "Groups", "not_any_of": ["est"], "regex": true}), false),
        (json!({"type": "Other", "not_any_of": ["qa"]}), false),
        (json!({"type": "Groups", "whitelist": ["nobody"]}), true),
        (json!({"type": "Other", "whitelist": ["nobody"]}), false),
    ] {
        let rules = rule(json!([{"type": "User"}, requirement]), json!([{"user": {"name": "{0}"}}]));
        let found = apply("1.0", rules, &given);
        assert_eq!(found.is_ok(), met, "{requirement}: {found:?}");
        assert!(met || found == Err(MapError::Nobody));
    }
}

#[test]
fn lists_filter_the_values_of_a_match() {
    let given = [("User", "bob"), ("Groups", "dev;ops;guests")];
    for (requirement, expected) in [
        (json!({"type": "Groups"}), vec!["dev", "ops", "guests"]),
        (json!({"type": "Groups", "whitelist": ["guests", "dev", "qa"]}), vec!["dev", "guests"]),
        (json!({"type": "Groups", "whitelist": []}), vec![]),
        (json!({"type": "Groups", "whitelist": ["s"], "regex": true}), vec!["ops", "guests"]),
        (json!({"type": "Groups", "blacklist": ["guests"]}), vec!["dev", "ops"]),
        (json!({"type": "Groups", "blacklist": []}), vec!["dev", "ops", "guests"]),
        (json!({"type": "Groups", "blacklist": ["^[dg]"], "regex": true}), vec!["ops"]),
    ] {
        let local = json!([{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"name": "D"}}]);
        let mapped = apply("1.0", rule(json!([{"type": "User"}, requirement]), local), &given).unwrap();
        let expected: Vec<_> = expected.into_iter().map(|name| group(name, named("D"))).collect();
        assert_eq!(mapped.groups, expected, "{requirement}");
    }
}

#[test]
fn requirements_that_only_test_make_no_match() {
    let remote = json!([
        {"type": "Kind", "any_one_of": ["staff"]}, {"type": "First"}, {"type": "Kind", "not_any_of": ["guest"]},
        {"type": "Last"}, {"type": "Mail"}
    ]);
    let local = json!([{"user": {"id": "{2}", "name": "{0} {1}", "email": "{2}"}}]);
    let given = [("Kind", "staff"), ("First", "Bob"), ("Last", "Thompson"), ("Mail", "bob@example.org")];
    let user = apply("1.0", rule(remote, local), &given).unwrap().user;
    assert_eq!(user.name.as_deref(), Some("Bob Thompson"));
    assert_eq!((user.id.as_deref(), user.email.as_deref()), (Some("bob@example.org"), Some("bob@example.org")));
    assert_eq!((user.kind, user.domain), (UserKind::Ephemeral, None));
}

#[test]
fn all_rules_that_apply_are_followed() {
    let rules = json!([
        {"remote": [{"type": "User"}], "local": [{"user": {"name": "{0}"}}]},
        {"remote": [{"type": "User"}], "local": [{"user": {"name": "second"}}]},
        {"remote": [{"type": "Kind", "any_one_of": ["staff"]}], "local": [{"group": {"id": "g1"}}, {"group": {"id": "g1"}}]},
        {"remote": [{"type": "Kind", "any_one_of": ["guest"]}], "local": [{"group": {"id": "g2"}}]},
        {"remote": [{"type": "Ids"}], "local": [{"group_ids": "{0}"}]},
        {"remote": [{"type": "User"}], "local": [{"group": {"name": "all", "domain": {"id": "d"}}}]},
        {"remote": [{"type": "User"}], "local": [{"group_ids": "['a', 'b']"}]}
    ]);
    let mapped = apply("1.0", rules, &[("User", "bob"), ("Kind", "staff"), ("Ids", "g1;g3")]).unwrap();
    assert_eq!(mapped.user.name.as_deref(), Some("bob"), "the first user counts");
    assert_eq!(mapped.group_ids, ["g1", "g3", "a", "b"]);
    assert_eq!(mapped.groups, [group("all", DomainKey::Id("d".into()))]);
}

#[test]
fn groups_are_named_by_text_or_json() {
    let rules = rule(json!([{"type": "G"}]), json!([{"user": {"name": "x"}, "groups": "{0}", "domain": {"id": "d"}}]));
    let mapped =
        apply("1.0", rules, &[("G", r#"one;JSON:{"name": "two", "domain": {"name": "E"}};username-admins"#)]).unwrap();
    let d = DomainKey::Id("d".into());
    assert_eq!(mapped.groups, [group("one", d.clone()), group("two", named("E")), group("username-admins", d)]);
    let homeless = rule(json!([{"type": "G"}]), json!([{"groups": "{0}"}]));
    assert_eq!(apply("1.0", homeless.clone(), &[("G", "one")]), Err(MapError::GroupWithoutDomain("one".into())));
    for wrong in ["JSON:", "JSON:{}", r#"JSON:{"name": 1, "domain": {}}"#] {
        assert!(matches!(apply("1.0", homeless.clone(), &[("G", wrong)]), Err(MapError::Json { .. })), "{wrong}");
    }
}

#[test]
fn nobody_becomes_a_member_by_a_name_that_looks_like_a_list() {
    let rules = rule(json!([{"type": "G"}]), json!([{"group_ids": "{0}"}]));
    assert_eq!(apply("1.0", rules, &[("G", "['admins']")]).unwrap().group_ids, ["['admins']"]);
}

#[test]
fn a_domain_beside_counts_from_version_two_on() {
    let project = json!([{"name": "p", "roles": [{"name": "member"}]}]);
    let local = json!([{"user": {"name": "{0}"}, "domain": {"name": "{1}"}, "projects": project}]);
    let rules = rule(json!([{"type": "User"}, {"type": "Home"}]), local);
    let given = [("User", "bob"), ("Home", "D")];
    let one = apply("1.0", rules.clone(), &given).unwrap();
    assert_eq!((one.user.domain, &one.projects[0].domain, one.sync_projects), (None, &None, false));
    let two = apply("2.0", rules.clone(), &given).unwrap();
    assert_eq!((two.user.domain, &two.projects[0].domain), (Some(named("D")), &Some(named("D"))));
    assert_eq!(two.projects[0].roles, ["member"]);
    assert!(apply("3.0", rules, &given).unwrap().sync_projects);
    let own = rule(
        json!([{"type": "User"}]),
        json!([{"user": {"name": "x", "domain": {"id": "own"}}, "domain": {"id": "d"}}]),
    );
    assert_eq!(apply("2.0", own, &given).unwrap().user.domain, Some(DomainKey::Id("own".into())));
}

#[test]
fn projects_come_from_rules_and_from_the_provider() {
    let rules = rule(
        json!([{"type": "User"}, {"type": "Projects"}]),
        json!([{"user": {"name": "{0}"}, "domain": {"id": "d"}, "projects_json": "{1}",
            "projects": [{"name": "{0}'s", "roles": [{"name": "member"}, {"name": "{0}"}], "domain": {"name": "E"}}]}]),
    );
    let sent =
        r#"[{"name": "p1", "roles": [{"name": "reader"}]}, {"name": "p2", "domain": {"name": "F"}, "roles": []}]"#;
    let projects = apply("3.0", rules.clone(), &[("User", "bob"), ("Projects", sent)]).unwrap().projects;
    let shown: Vec<_> = projects.iter().map(|p| (p.name.as_str(), p.domain.clone(), p.roles.join(" "))).collect();
    assert_eq!(
        shown,
        [
            ("bob's", Some(named("E")), "member bob".to_owned()),
            ("p1", Some(DomainKey::Id("d".into())), "reader".to_owned()),
            ("p2", Some(named("F")), String::new()),
        ]
    );
    for wrong in ["", "{}", "[{}]", r#"[{"name": "p"}]"#, r#"[{"name": "p", "roles": [], "x": 1}]"#] {
        let found = apply("3.0", rules.clone(), &[("User", "bob"), ("Projects", wrong)]);
        assert!(matches!(found, Err(MapError::Json { what: "projects", .. })), "{wrong}: {found:?}");
    }
}

#[test]
fn a_local_user_is_told_apart() {
    let rules = rule(
        json!([{"type": "User"}]),
        json!([{"user": {"name": "{0}", "type": "local", "domain": {"name": "Default"}}}]),
    );
    let user = apply("1.0", rules, &[("User", "bob")]).unwrap().user;
    assert_eq!((user.kind, user.domain), (UserKind::Local, Some(named("Default"))));
}

#[test]
fn a_match_that_is_not_made_is_an_error() {
    let rules = rule(json!([{"type": "User", "any_one_of": ["bob"]}]), json!([{"user": {"name": "{0}"}}]));
    assert_eq!(apply("1.0", rules, &[("User", "bob")]), Err(MapError::NoMatch(0)));
}

#[test]
fn several_values_in_a_text_are_printed_as_keystone_prints_them() {
    let rules = rule(json!([{"type": "User"}]), json!([{"user": {"name": "{0}"}}]));
    assert_eq!(apply("1.0", rules, &[("User", "a;b")]).unwrap().user.name.as_deref(), Some("['a', 'b']"));
}

#[test]
fn what_keystones_schema_refuses_is_refused() {
    let user = json!([{"user": {"name": "{0}"}}]);
    let remote = json!([{"type": "User"}]);
    for rules in [
        json!({}),
        json!([]),
        json!([{}]),
        json!([{"local": user}]),
        json!([{"remote": remote}]),
        json!([{"local": user, "remote": []}]),
        json!([{"local": user, "remote": remote, "other": 1}]),
        rule(json!([{}]), user.clone()),
        rule(json!([{"type": 1}]), user.clone()),
        rule(json!([{"type": "a", "other": []}]), user.clone()),
        rule(json!([{"type": "a", "regex": true}]), user.clone()),
        rule(json!([{"type": "a", "any_one_of": "x"}]), user.clone()),
        rule(json!([{"type": "a", "any_one_of": ["x"], "whitelist": ["y"]}]), user.clone()),
        rule(json!([{"type": "a", "any_one_of": ["x"], "regex": "yes"}]), user.clone()),
        rule(remote.clone(), json!([{"other": {}}])),
        rule(remote.clone(), json!([{"user": {"name": 1}}])),
        rule(remote.clone(), json!([{"user": {"name": "x", "type": "remote"}}])),
        rule(remote.clone(), json!([{"user": {"name": "x", "groups": "y"}}])),
        rule(remote.clone(), json!([{"group": {}}])),
        rule(remote.clone(), json!([{"group": {"name": "x"}}])),
        rule(remote.clone(), json!([{"group": {"id": "x", "name": "y"}}])),
        rule(remote.clone(), json!([{"groups": ["x"]}])),
        rule(remote.clone(), json!([{"domain": {"other": "x"}}])),
        rule(remote.clone(), json!([{"projects": [{"name": "p"}]}])),
        rule(remote.clone(), json!([{"projects": [{"name": "p", "roles": ["member"]}]}])),
        rule(remote.clone(), json!([{"projects": [{"name": "p", "roles": [], "domain": {"id": "d"}}]}])),
        rule(remote.clone(), json!([{"projects_json": "{0}"}])),
    ] {
        assert!(matches!(Mapping::read("1.0", &rules), Err(ReadError::Form { .. })), "{rules}");
    }
    let pattern = rule(json!([{"type": "a", "any_one_of": ["("], "regex": true}]), user.clone());
    assert!(matches!(Mapping::read("1.0", &pattern), Err(ReadError::Pattern(_))));
    let template = rule(remote.clone(), json!([{"user": {"name": "{user}"}}]));
    assert!(matches!(Mapping::read("1.0", &template), Err(ReadError::Template(_))));
    for version in ["", "1", "4.0"] {
        assert!(matches!(Mapping::read(version, &rule(remote.clone(), user.clone())), Err(ReadError::Version(_))));
    }
    let domain = rule(remote, json!([{"projects": [{"name": "p", "roles": [], "domain": {"id": "d"}}]}]));
    assert!(Mapping::read("2.0", &domain).is_ok());
}

proptest! {
    /// Whatever a provider sends, it comes out where the rule puts it and nowhere else.
    #[test]
    fn values_are_only_ever_values(user in "[^;]{0,40}", groups in prop::collection::vec("[^;]{1,20}", 1..5)) {
        let rules = rule(
            json!([{"type": "User"}, {"type": "Groups"}]),
            json!([{"user": {"name": "{0}"}}, {"group_ids": "{1}"}]),
        );
        let mapped = apply("1.0", rules, &[("User", &user), ("Groups", &groups.join(";"))]).unwrap();
        prop_assert_eq!(mapped.user.name, Some(user));
        prop_assert!(mapped.group_ids.iter().all(|id| groups.contains(id)));
        prop_assert!(groups.iter().all(|id| mapped.group_ids.contains(id)));
        prop_assert!(mapped.groups.is_empty() && mapped.projects.is_empty());
    }

    /// No text breaks the reading of templates.
    #[test]
    fn any_text_is_a_template_or_refused(text in ".{0,60}") {
        if let Ok(template) = template::Template::read(&text) {
            let _ = template.fill(&[vec![text.clone()], vec![]]);
        }
    }
}
