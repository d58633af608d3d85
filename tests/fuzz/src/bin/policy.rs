//! The policy language: any text is refused or means something for any token.
#![no_main]

use controller_web::{Policy, RuleDefault, Target, testing};
use std::collections::HashMap;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let defaults = [
        RuleDefault { name: "first", check: "role:admin", description: "" },
        RuleDefault { name: "second", check: "rule:first or project_id:%(project_id)s", description: "" },
    ];
    let overrides = HashMap::from([("fuzz".to_owned(), HashMap::from([("first".to_owned(), text.to_owned())]))]);
    let mut policy = Policy::default();
    if policy.add("fuzz", &defaults, &overrides).is_ok() {
        let target = Target::project("p1").with("user_id", "u1");
        for token in [testing::project_token("u1", "p1", &["member"]), testing::system_token("u2", &["admin"])] {
            let _ = policy.of("fuzz").allows(&token, "second", &target);
        }
    }
});
