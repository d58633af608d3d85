//! Whoever has a connection does not ask for another one: on PostgreSQL the tests have only one.

use super::{World, worlds};
use crate::token::{
    federated::Federated,
    payload::{Origin, Payload, ScopeId},
};
use controller_base::{Timestamp, id::UserId};
use std::{sync::Arc, time::Duration};

impl World {
    /// Nobody looks at the database's epoch for it but its requests.
    fn alone(&mut self) {
        self.reopen(|identity| identity.cache = Arc::default());
    }

    async fn user_of(&self, token: &str) -> UserId {
        self.identity.validate(token).await.unwrap().user.id.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_checked_over_one_connection_when_the_epoch_is_not_known() {
    for mut world in worlds().await {
        let token = world.admin().await;
        let user_id = world.user_of(&token).await;
        world.alone();
        world.identity.validate(&token).await.unwrap();
        world.alone();
        world.identity.validate_late(&token, 60).await.unwrap();
        world.alone();
        assert_eq!(world.validity(&token).await, 200);
        let user = crate::user::store::get(&mut world.db.read().await.unwrap(), &user_id).await.unwrap().unwrap();
        let login = Federated { user, method: "mapped".to_owned(), origin: Origin::Own };
        world.alone();
        world.identity.token_of_federated(login).await.unwrap();
        world.alone();
        world.admin().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_means_is_found_over_the_connection_at_hand_also_when_the_epoch_is_old() {
    for world in worlds().await {
        let token = world.admin().await;
        let info = world.identity.validate(&token).await.unwrap();
        let payload = Payload {
            user_id: info.user.id.clone(),
            methods: info.methods.clone(),
            scope: ScopeId::Unscoped,
            origin: Origin::Own,
            expires_at: info.expires_at,
            audit_ids: info.audit_ids.clone(),
        };
        let epoch = world.identity.epoch().await.unwrap();
        let mut conn = world.db.read().await.unwrap();
        // On one connection nobody can look at the epoch meanwhile, and what was seen of it no longer counts.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let issued_at = Timestamp(info.issued_at.0);
        world.identity.resolve(&mut conn, &payload, issued_at, epoch).await.unwrap();
    }
}
