//! What the recorded revision says means the same in the present one.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, MethodDescriptorProto};

fn file(path: &str, folder: &str) -> FileDescriptorProto {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let compiled = protox::compile([path], [format!("{root}{folder}")]).unwrap();
    compiled.file.into_iter().find(|file| file.package() == "humilis.federation.v1").unwrap()
}

#[test]
fn nothing_was_taken_away_or_given_another_meaning() {
    let (older, present) = (file("federation.proto", "."), file("humilis/federation/v1.proto", "../../proto"));
    let mut broken = Vec::new();
    for message in &older.message_type {
        match present.message_type.iter().find(|other| other.name == message.name) {
            Some(other) => fields(message, other, &mut broken),
            None => broken.push(format!("message {}", message.name())),
        }
    }
    for kind in &older.enum_type {
        match present.enum_type.iter().find(|other| other.name == kind.name) {
            Some(other) => values(kind, other, &mut broken),
            None => broken.push(format!("enum {}", kind.name())),
        }
    }
    for service in &older.service {
        let other = present.service.iter().find(|other| other.name == service.name);
        let methods = other.map(|other| other.method.as_slice()).unwrap_or_default();
        let missing = service.method.iter().filter(|method| !methods.iter().any(|other| same(method, other)));
        broken.extend(missing.map(|method| format!("method {}.{}", service.name(), method.name())));
    }
    assert_eq!(broken, Vec::<String>::new(), "a peer of the recorded revision would be misunderstood");
    assert!(older.message_type.len() > 20 && !older.service.is_empty(), "there was something to compare");
}

/// Names count too: they are what people grep for.
fn fields(older: &DescriptorProto, present: &DescriptorProto, broken: &mut Vec<String>) {
    for field in &older.field {
        let oneof = |message: &DescriptorProto, index: Option<i32>| {
            index.map(|index| message.oneof_decl[usize::try_from(index).unwrap()].name().to_owned())
        };
        let same = present.field.iter().any(|other| {
            (&other.name, other.number, other.r#type, other.label, &other.type_name)
                == (&field.name, field.number, field.r#type, field.label, &field.type_name)
                && oneof(present, other.oneof_index) == oneof(older, field.oneof_index)
        });
        if !same {
            broken.push(format!("field {}.{}", older.name(), field.name()));
        }
    }
}

fn values(older: &EnumDescriptorProto, present: &EnumDescriptorProto, broken: &mut Vec<String>) {
    let missing = older
        .value
        .iter()
        .filter(|value| !present.value.iter().any(|other| (&other.name, other.number) == (&value.name, value.number)));
    broken.extend(missing.map(|value| format!("value {}", value.name())));
}

fn same(older: &MethodDescriptorProto, present: &MethodDescriptorProto) -> bool {
    let form = |method: &MethodDescriptorProto| {
        let streams = (method.client_streaming(), method.server_streaming());
        (method.name.clone(), method.input_type.clone(), method.output_type.clone(), streams)
    };
    form(older) == form(present)
}
