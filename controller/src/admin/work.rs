//! Operations that have not ended, and the audit.

use super::{Admin, convert, unavailable};
use controller_base::Timestamp;
use controller_work::Pending;
use humilis_proto::admin as wire;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl wire::operations_server::Operations for Admin {
    async fn list_operations(
        &self,
        request: Request<wire::ListOperationsRequest>,
    ) -> Result<Response<wire::ListOperationsResponse>, Status> {
        let least = f64::from(request.into_inner().older_than_seconds);
        let platform = &self.cloud.platform;
        let mut pending = platform.runner.pending().await.map_err(unavailable)?;
        pending.sort_by_key(|operation| operation.created_at);
        let now = platform.clock.now();
        let operations = pending.into_iter().map(|pending| operation(pending, now));
        let operations = operations.filter(|operation| operation.age_seconds >= least).collect();
        Ok(Response::new(wire::ListOperationsResponse { operations }))
    }
}

fn operation(pending: Pending, now: Timestamp) -> wire::Operation {
    wire::Operation {
        id: pending.id.to_string(),
        kind: pending.kind,
        subject: pending.subject,
        step: pending.step,
        undoing: pending.undoing,
        attempts: u32::try_from(pending.attempts).unwrap_or_default(),
        error: pending.error.unwrap_or_default(),
        created_at: convert::time(pending.created_at),
        age_seconds: (now.0 - pending.created_at.0) as f64 / 1e6,
    }
}

#[tonic::async_trait]
impl wire::audit_server::Audit for Admin {
    async fn run_audit(&self, _: Request<wire::RunAuditRequest>) -> Result<Response<wire::RunAuditResponse>, Status> {
        let compute = self.cloud.compute.audit().await.map_err(unavailable)?;
        let networks = self.cloud.networks.audit().await.map_err(unavailable)?;
        let compute = compute.into_iter().map(|finding| wire::Finding {
            by: "compute".to_owned(),
            kind: finding.kind.to_owned(),
            subject: finding.subject,
            what: finding.what,
        });
        let networks = networks.into_iter().map(|finding| wire::Finding {
            by: "network".to_owned(),
            kind: finding.kind.to_owned(),
            subject: finding.id.to_string(),
            what: finding.reason.to_owned(),
        });
        Ok(Response::new(wire::RunAuditResponse { findings: compute.chain(networks).collect() }))
    }
}
