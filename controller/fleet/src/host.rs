//! A member host as the fleet keeps it, and who may speak for it. Pure.
//!
//! ```text
//! enrolled --stream opens--> up --stream ends--> down --stream opens--> up
//! enrolled by a token that wants approval --> pending --approve--> enrolled
//! any --fence--> fenced --unfence--> down ; any --remove--> gone (its certificate opens nothing any more)
//! ```
//! Of a host's certificates the newest counts, and the one before it until the newest was shown: then a copy of the older one is
//! worth nothing.

pub use controller_ports::fleet::{Host, HostResources};

use controller_base::Timestamp;
use controller_base::id::HostId;
use controller_ports::fleet::Admission;
use std::net::IpAddr;

/// A host with what nobody outside of the fleet needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) host: Host,
    /// The machine that it was last seen on; empty: any.
    pub(crate) machine: String,
    /// The certificate before the newest, until that one was shown; empty: none.
    pub(crate) former_certificate: String,
    /// What the host trusts, once it shows its newest certificate, as [`crate::Authority::trust`] has it.
    pub(crate) trust: String,
}

/// Who calls, as TLS proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) host: HostId,
    /// SHA-256 of the certificate, hex.
    pub(crate) certificate: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) address: IpAddr,
}

/// Why a machine with a valid certificate is not let in; each is told to the host and to the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this host is no member: it was removed, and has to join again with a new token")]
    NoMember,
    #[error(
        "this host waits for an operator's approval: `controller host approve {hostname}`, if its certificate's \
         fingerprint is sha256:{certificate}"
    )]
    Pending { hostname: String, certificate: String },
    #[error("this host is fenced; an operator has to let it in with `controller host unfence {0}`")]
    Fenced(String),
    #[error(
        "this certificate was replaced by a newer one: another machine has the same identity (a cloned disk?), or this \
         host's state is an old copy; delete the identity there and join again with a new token"
    )]
    Superseded,
    #[error(
        "the certificate is host {member}'s, but this machine calls itself {said:?}: delete the identity there and join \
         with a new token, or give the machine its name back"
    )]
    OtherName { member: String, said: String },
    #[error(
        "host {0} was another machine so far (a cloned or moved disk?): if this one takes its place, say so with \
         `controller host approve {0}`; if not, delete the identity there and join with a new token"
    )]
    OtherMachine(String),
    #[error(
        "host {hostname} is connected from {address}: this is a second machine with the same identity (a cloned disk?); \
         delete the identity there and join with a new token"
    )]
    Twin { hostname: String, address: String },
}

impl Member {
    /// Whether who shows this certificate speaks for the host.
    pub(crate) fn admits(&self, shown: &Shown) -> Result<(), Refused> {
        let own = &self.host.membership;
        let known = own.certificate.is_empty()
            || own.certificate == shown.certificate
            || self.former_certificate == shown.certificate;
        match own.admission {
            _ if !known => Err(Refused::Superseded),
            Admission::Pending => {
                let (hostname, certificate) = (self.host.hostname.clone(), own.certificate.clone());
                Err(Refused::Pending { hostname, certificate })
            }
            Admission::Fenced => Err(Refused::Fenced(self.host.hostname.clone())),
            Admission::Admitted => Ok(()),
        }
    }

    /// Takes down a stream's beginning: by which certificate, from where, on which machine, under which name.
    pub(crate) fn greeted(&mut self, shown: &Shown, hostname: &str, machine: &str) -> Result<(), Refused> {
        self.admits(shown)?;
        if hostname != self.host.hostname {
            let (member, said) = (self.host.hostname.clone(), hostname.chars().take(64).collect());
            return Err(Refused::OtherName { member, said });
        }
        if !self.machine.is_empty() && !machine.is_empty() && self.machine != machine {
            return Err(Refused::OtherMachine(hostname.to_owned()));
        }
        if !machine.is_empty() {
            machine.clone_into(&mut self.machine);
        }
        let own = &mut self.host.membership;
        own.address = shown.address.to_string();
        if own.certificate.is_empty() {
            own.certificate.clone_from(&shown.certificate);
            own.certificate_expires_at = Some(shown.expires_at);
        }
        if own.certificate == shown.certificate {
            self.former_certificate.clear();
        } else {
            // It never got the newest one, and with it what to trust.
            self.trust.clear();
        }
        Ok(())
    }

    /// A new certificate, asked for by the one that was shown.
    pub(crate) fn renewed(&mut self, shown: &Shown, new: &crate::authority::Signed, trust: String) {
        self.former_certificate.clone_from(&shown.certificate);
        self.certified(new, trust);
    }

    /// A first certificate: no older one counts.
    pub(crate) fn enrolled(&mut self, new: &crate::authority::Signed, trust: String) {
        self.former_certificate.clear();
        self.machine.clear();
        self.certified(new, trust);
    }

    fn certified(&mut self, new: &crate::authority::Signed, trust: String) {
        let own = &mut self.host.membership;
        own.certificate.clone_from(&new.fingerprint);
        own.certificate_expires_at = Some(new.expires_at);
        self.trust = trust;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Signed;
    use controller_ports::fleet::Membership;

    fn member() -> Member {
        let host = Host {
            id: HostId::random(),
            hostname: "a".to_owned(),
            up: false,
            last_seen: Timestamp(0),
            resources: HostResources::default(),
            underlay_address: String::new(),
            physical_networks: Vec::new(),
            version: String::new(),
            membership: Membership { certificate: "c1".to_owned(), ..Membership::default() },
        };
        Member { host, machine: String::new(), former_certificate: String::new(), trust: String::new() }
    }

    fn shown(member: &Member, certificate: &str) -> Shown {
        let (certificate, address) = (certificate.to_owned(), IpAddr::from([192, 0, 2, 1]));
        Shown { host: member.host.id, certificate, expires_at: Timestamp(5), address }
    }

    fn signed(fingerprint: &str) -> Signed {
        Signed { pem: String::new(), fingerprint: fingerprint.to_owned(), expires_at: Timestamp(9) }
    }

    #[test]
    fn the_older_certificate_counts_until_the_newer_one_is_shown() {
        let mut member = member();
        let (first, second) = (shown(&member, "c1"), shown(&member, "c2"));
        member.renewed(&first, &signed("c2"), String::new());
        assert_eq!(member.greeted(&first, "a", ""), Ok(()), "the answer may have been lost");
        assert_eq!(member.greeted(&second, "a", ""), Ok(()));
        assert_eq!(member.greeted(&first, "a", ""), Err(Refused::Superseded));
    }

    #[test]
    fn of_two_that_renew_the_one_that_is_shown_first_wins() {
        let mut member = member();
        let first = shown(&member, "c1");
        member.renewed(&first, &signed("c2"), String::new());
        member.renewed(&first, &signed("c3"), String::new());
        assert_eq!(member.admits(&shown(&member, "c2")), Err(Refused::Superseded));
        assert_eq!(member.admits(&shown(&member, "c3")), Ok(()));
    }

    #[test]
    fn a_certificate_from_before_they_were_noted_is_noted() {
        let mut member = member();
        member.host.membership.certificate.clear();
        let first = shown(&member, "c0");
        member.greeted(&first, "a", "").unwrap();
        assert_eq!(member.host.membership.certificate, "c0");
        assert_eq!(member.host.membership.certificate_expires_at, Some(Timestamp(5)));
        assert_eq!(member.admits(&shown(&member, "c9")), Err(Refused::Superseded));
    }

    #[test]
    fn a_certificate_is_worth_nothing_on_another_machine_or_under_another_name() {
        let mut member = member();
        let first = shown(&member, "c1");
        assert!(matches!(member.greeted(&first, "b", "m1"), Err(Refused::OtherName { .. })));
        member.greeted(&first, "a", "m1").unwrap();
        assert!(matches!(member.greeted(&first, "a", "m2"), Err(Refused::OtherMachine(_))));
        member.greeted(&first, "a", "").expect("a machine may not tell what it is");
        member.enrolled(&signed("c2"), String::new());
        member.greeted(&shown(&member.clone(), "c2"), "a", "m2").unwrap();
    }

    #[test]
    fn who_waits_or_is_fenced_is_told() {
        let mut member = member();
        let first = shown(&member, "c1");
        member.host.membership.admission = Admission::Pending;
        assert!(member.admits(&first).unwrap_err().to_string().contains("controller host approve a"));
        member.host.membership.admission = Admission::Fenced;
        assert_eq!(member.admits(&first), Err(Refused::Fenced("a".to_owned())));
    }
}
