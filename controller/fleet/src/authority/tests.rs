use super::*;
use rcgen::CertificateParams;
use rustls::pki_types::pem::PemObject as _;

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);
const DAY: i64 = 86_400;

fn request(names: Vec<String>) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    CertificateParams::new(names).unwrap().serialize_request(&key).unwrap().der().to_vec()
}

fn issuer_of(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    certificate.issuer().to_string()
}

#[test]
fn a_reopened_authority_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let first = Authority::open(directory.path(), NOW).unwrap();
    let second = Authority::open(directory.path(), NOW).unwrap();
    assert_eq!(first.fingerprint(), second.fingerprint());
}

#[test]
fn a_host_gets_the_name_that_the_controller_chose() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), NOW).unwrap();
    let host = HostId::random();
    let signed = authority.sign_host(&request(vec!["evil.example".into()]), host, DAY, NOW).unwrap();
    let der = CertificateDer::from_pem_slice(signed.pem.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.subject().iter_common_name().next().unwrap().as_str().unwrap(), host.to_string());
    assert!(certificate.subject_alternative_name().unwrap().is_none());
    assert_eq!(expiry(&der), Some(NOW.plus_seconds(DAY)));
    assert_eq!((fingerprint(&der), NOW.plus_seconds(DAY)), (signed.fingerprint, signed.expires_at));
}

#[test]
fn a_short_life_is_backdated_less() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), NOW).unwrap();
    for (seconds, backdated) in [(30 * DAY, 3600), (100, 10)] {
        let signed = authority.sign_host(&request(vec![]), HostId::random(), seconds, NOW).unwrap();
        let der = CertificateDer::from_pem_slice(signed.pem.as_bytes()).unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.validity().not_before.timestamp(), NOW.0 / 1_000_000 - backdated);
    }
}

#[test]
fn a_broken_request_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), NOW).unwrap();
    assert!(matches!(authority.sign_host(b"no", HostId::random(), DAY, NOW), Err(AuthorityError::Request)));
}

#[test]
fn while_it_is_replaced_two_are_trusted_and_the_next_one_signs_hosts() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), NOW).unwrap();
    let (old, trust, changes) = (authority.fingerprint(), authority.trust(), authority.changes());
    assert!(matches!(authority.finish_rotation(), Err(AuthorityError::NotRotating)));
    authority.begin_rotation(NOW.plus_seconds(1)).unwrap();
    assert!(changes.has_changed().unwrap());
    assert!(matches!(authority.begin_rotation(NOW), Err(AuthorityError::Rotating)));
    assert_eq!((authority.trusted().len(), authority.fingerprint()), (2, old.clone()));
    assert_ne!(authority.trust(), trust);
    let list = authority.list();
    assert_eq!((list[0].serves, list[0].signs_hosts, list[1].serves, list[1].signs_hosts), (true, false, false, true));
    let signed = authority.sign_host(&request(vec![]), HostId::random(), DAY, NOW).unwrap();
    let served = authority.server_identity(&["c".to_owned()], NOW).unwrap();
    assert_eq!(served.chain[1], authority.trusted()[0]);
    assert_ne!(issuer_of(&signed.pem), issuer_of(&authority.pem()), "the next one signs");
    let reopened = Authority::open(directory.path(), NOW).unwrap();
    assert_eq!(reopened.trust(), authority.trust());
    authority.finish_rotation().unwrap();
    assert_eq!(authority.trusted().len(), 1);
    assert_eq!(authority.fingerprint(), list[1].fingerprint);
    assert_eq!(Authority::open(directory.path(), NOW).unwrap().fingerprint(), list[1].fingerprint);
}

#[test]
fn a_promotion_that_was_cut_short_is_finished_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), NOW).unwrap();
    authority.begin_rotation(NOW).unwrap();
    let next = authority.list()[1].fingerprint.clone();
    std::fs::rename(directory.path().join("next.key"), directory.path().join("ca.key")).unwrap();
    let reopened = Authority::open(directory.path(), NOW).unwrap();
    assert_eq!((reopened.fingerprint(), reopened.trusted().len()), (next, 1));
}
