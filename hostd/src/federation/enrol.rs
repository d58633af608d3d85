//! Becoming a member: over TLS that is pinned to the CA's fingerprint, with a join token and a signing request.

use super::{AddressError, endpoint, trust::algorithms};
use crate::identity::{Identity, IdentityError, KeyRequest};
use hostd_kit::{
    fault::{self, Point},
    paths::Layout,
};
use humilis_proto::federation::{EnrolRequest, enrolment_client::EnrolmentClient};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use tonic::transport::{Channel, ClientTlsConfig};

/// What a host needs to become a member.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Where the controller is.
    pub url: String,
    /// SHA-256 of the CA's certificate, hex, with or without colons and `sha256:` before it.
    pub ca_fingerprint: String,
    /// The one-time token.
    pub token: String,
    /// The host's name.
    pub hostname: String,
}

/// Why a host is no member.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The fingerprint is none.
    #[error("the CA's fingerprint is not 64 hexadecimal digits")]
    Fingerprint,
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The controller cannot be reached.
    #[error("the controller cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    /// Who answers is not the controller of the fingerprint.
    #[error(
        "what answers at {url} is another controller than the join token's: its CA's fingerprint is {found}, wanted is \
         sha256:{wanted}; compare the address and the fingerprint with what `controller host token create` printed"
    )]
    OtherController {
        /// Where it is.
        url: String,
        /// The invitation's fingerprint, hex.
        wanted: String,
        /// The fingerprint of what was shown.
        found: String,
    },
    /// The controller refused.
    #[error("the controller refused: {}", .0.message())]
    Refused(#[source] Box<tonic::Status>),
    /// The identity cannot be made or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Becomes a member and writes the identity down.
///
/// # Errors
/// See [`EnrolError`]; the token is used up only when the controller signed.
pub async fn enrol(layout: &Layout, invitation: &Invitation) -> Result<Identity, EnrolError> {
    let channel = connect(invitation).await?;
    let request = KeyRequest::new()?;
    let ask = EnrolRequest { token: invitation.token.clone(), csr: request.csr, hostname: invitation.hostname.clone() };
    let answer = EnrolmentClient::new(channel).enrol(ask).await;
    let answer = answer.map_err(|status| EnrolError::Refused(Box::new(status)))?.into_inner();
    fault::reach(Point::EnrolReceived);
    let identity = Identity {
        host_id: answer.host_id,
        url: invitation.url.clone(),
        key: request.key,
        certificate: answer.certificate,
        ca: answer.ca,
    };
    identity.validity()?;
    identity.store(layout)?;
    let fingerprint = identity.fingerprint()?;
    if answer.awaiting_approval {
        tracing::info!(host_id = identity.host_id, fingerprint, "this host waits for an operator's approval");
    } else {
        tracing::info!(host_id = identity.host_id, fingerprint, "this host is a member");
    }
    Ok(identity)
}

async fn connect(invitation: &Invitation) -> Result<Channel, EnrolError> {
    let pinned = Arc::new(Pinned::new(&invitation.ca_fingerprint)?);
    let tls = endpoint(&invitation.url)?.tls_config_with_verifier(ClientTlsConfig::new(), pinned.clone());
    let connected = tls.map_err(EnrolError::Connect)?.connect().await;
    connected.map_err(|error| match pinned.other() {
        None => EnrolError::Connect(error),
        Some(found) => {
            EnrolError::OtherController { url: invitation.url.clone(), wanted: hex::encode(pinned.fingerprint), found }
        }
    })
}

/// Trusts a chain whose CA has this fingerprint, and then only by the usual rules.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    /// What was shown instead.
    other: Mutex<Option<String>>,
}

impl Pinned {
    fn new(text: &str) -> Result<Self, EnrolError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let plain: String = digits.chars().filter(|c| *c != ':').collect();
        let mut fingerprint = [0; 32];
        hex::decode_to_slice(plain, &mut fingerprint).map_err(|_| EnrolError::Fingerprint)?;
        Ok(Self { fingerprint, other: Mutex::default() })
    }

    /// What was shown instead of the wanted CA; `None` when nothing was or the right one.
    fn other(&self) -> Option<String> {
        self.other.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn turn_away(&self, intermediates: &[CertificateDer<'_>]) -> rustls::Error {
        let shown = intermediates.last().map(|der| format!("sha256:{}", hex::encode(Sha256::digest(der))));
        let shown = shown.unwrap_or_else(|| "not shown".to_owned());
        *self.other.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        rustls::CertificateError::UnknownIssuer.into()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates.iter().find(|der| Sha256::digest(der)[..] == self.fingerprint);
        let authority = authority.ok_or_else(|| self.turn_away(intermediates))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_may_have_colons_and_the_name_of_its_kind() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(Pinned::new(&plain).unwrap().fingerprint, Pinned::new(&colons).unwrap().fingerprint);
        assert!(Pinned::new(&format!("sha256:{plain}")).is_ok());
        assert!(matches!(Pinned::new("abc"), Err(EnrolError::Fingerprint)));
        assert!(matches!(Pinned::new(""), Err(EnrolError::Fingerprint)));
    }
}
