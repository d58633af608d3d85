//! Join tokens, by which machines become members. A token ends by its time, by its count of uses, or by being revoked; it is shown
//! once and stored as a digest.

use crate::store;
use controller_base::{Clock, Secret, Timestamp};
use controller_db::{Db, DbError};
use sha2::{Digest, Sha256};

/// How long a token can be used if nobody says otherwise.
pub const DEFAULT_SECONDS: i64 = 3600;
/// How long tokens that ended are still listed, seconds.
const KEPT: i64 = 30 * 86_400;
/// Digits of a token's id: the beginning of its digest.
const ID_DIGITS: usize = 12;

/// What a new token shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How long it can be used.
    pub seconds: i64,
    /// How many machines may use it.
    pub most_uses: u32,
    /// Whether a machine that used it waits for an operator's approval.
    pub approve: bool,
    /// An operator's words.
    pub note: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { seconds: DEFAULT_SECONDS, most_uses: 1, approve: false, note: String::new() }
    }
}

/// A token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the token, hex.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How often it was used.
    pub uses: u32,
    /// How often it can be.
    pub most_uses: u32,
    /// Whether a machine that used it waits for approval.
    pub approve: bool,
    /// An operator's words.
    pub note: String,
    /// When it was used last.
    pub used_at: Option<Timestamp>,
    /// When an operator ended it.
    pub revoked_at: Option<Timestamp>,
}

/// Why a token lets nobody in. Who holds the token may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// There is none like it.
    #[error("the join token is unknown: it is mistyped, or of another cloud")]
    Unknown,
    /// As many machines as may have used it.
    #[error("the join token has been used up")]
    UsedUp,
    /// Its time is over.
    #[error("the join token has expired")]
    Expired,
    /// An operator ended it.
    #[error("the join token has been revoked")]
    Revoked,
}

impl JoinToken {
    /// How operators name it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.digest.get(..ID_DIGITS).unwrap_or(&self.digest)
    }

    /// Why it lets nobody in; `None` when it can be used.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Option<Ended> {
        if self.revoked_at.is_some() {
            Some(Ended::Revoked)
        } else if self.uses >= self.most_uses {
            Some(Ended::UsedUp)
        } else if self.expires_at <= now {
            Some(Ended::Expired)
        } else {
            None
        }
    }
}

/// A new token.
///
/// # Errors
/// When the database fails.
pub async fn create(db: &Db, clock: &Clock, wanted: Wanted) -> Result<(Secret, JoinToken), DbError> {
    let text = format!("{}{}", uuid(), uuid());
    let now = clock.now();
    let token = JoinToken {
        digest: digest(&text),
        created_at: now,
        expires_at: now.plus_seconds(wanted.seconds),
        uses: 0,
        most_uses: wanted.most_uses,
        approve: wanted.approve,
        note: wanted.note,
        used_at: None,
        revoked_at: None,
    };
    let mut tx = db.begin().await?;
    store::delete_tokens(&mut tx, now.plus_seconds(-KEPT)).await?;
    store::insert_token(&mut tx, &token).await?;
    tx.commit().await?;
    Ok((Secret::new(text), token))
}

/// All tokens, the oldest first; those that ended stay for a month.
///
/// # Errors
/// When the database fails.
pub async fn list(db: &Db) -> Result<Vec<JoinToken>, DbError> {
    store::list_tokens(&mut db.read().await?).await
}

/// Ends the token whose id or text this is; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn revoke(db: &Db, clock: &Clock, named: &str) -> Result<Option<JoinToken>, DbError> {
    let tokens = list(db).await?;
    let found = find(&tokens, named).cloned();
    if let Some(token) = &found {
        let mut tx = db.begin().await?;
        store::revoke_token(&mut tx, &token.digest, clock.now()).await?;
        tx.commit().await?;
    }
    Ok(found)
}

/// The token whose id or text this is.
#[must_use]
pub fn find<'a>(tokens: &'a [JoinToken], named: &str) -> Option<&'a JoinToken> {
    let whole = digest(named);
    tokens.iter().find(|token| token.id() == named || token.digest == whole)
}

/// Uses a token within the caller's transaction.
pub(crate) async fn redeem(
    tx: &mut controller_db::Tx,
    token: &str,
    now: Timestamp,
) -> Result<Result<JoinToken, Ended>, DbError> {
    let digest = digest(token);
    let Some(known) = store::get_token(tx, &digest).await? else {
        return Ok(Err(Ended::Unknown));
    };
    if let Some(ended) = known.ended(now) {
        return Ok(Err(ended));
    }
    // Somebody may have been faster between the two.
    let used = store::use_token(tx, &digest, now).await?;
    Ok(if used { Ok(known) } else { Err(Ended::UsedUp) })
}

fn uuid() -> String {
    controller_base::id::RequestId::random().to_string()
}

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_db::testing::databases;

    async fn try_it(db: &Db, clock: &Clock, token: &Secret) -> Result<JoinToken, Ended> {
        let mut tx = db.begin().await.unwrap();
        let redeemed = redeem(&mut tx, token.reveal(), clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        redeemed
    }

    #[tokio::test]
    async fn a_token_ends_by_its_uses_by_its_time_and_by_an_operator() {
        for db in databases().await {
            db.migrate("fleet", crate::MIGRATIONS).await.unwrap();
            let clock = Clock::set_to(Timestamp(1_790_000_000_000_000));
            let wanted = Wanted { seconds: 60, most_uses: 2, approve: true, note: "rack 1".to_owned() };
            let (token, stored) = create(&db, &clock, wanted.clone()).await.unwrap();
            assert!(try_it(&db, &clock, &token).await.unwrap().approve);
            try_it(&db, &clock, &token).await.unwrap();
            assert_eq!(try_it(&db, &clock, &token).await, Err(Ended::UsedUp));
            let (late, _) = create(&db, &clock, wanted.clone()).await.unwrap();
            let (revoked, id) = create(&db, &clock, wanted).await.unwrap();
            assert_eq!(revoke(&db, &clock, id.id()).await.unwrap().unwrap().digest, id.digest);
            assert_eq!(try_it(&db, &clock, &revoked).await, Err(Ended::Revoked));
            clock.advance_seconds(60);
            assert_eq!(try_it(&db, &clock, &late).await, Err(Ended::Expired));
            assert_eq!(try_it(&db, &clock, &Secret::new("made up")).await, Err(Ended::Unknown));
            assert_eq!(revoke(&db, &clock, "made up").await.unwrap(), None);
            let listed = list(&db).await.unwrap();
            let first = listed.iter().find(|token| token.id() == stored.id()).unwrap();
            assert_eq!((listed.len(), first.uses, first.note.as_str()), (3, 2, "rack 1"));
            clock.advance_seconds(KEPT + 61);
            create(&db, &clock, Wanted::default()).await.unwrap();
            assert_eq!(list(&db).await.unwrap().len(), 1, "the old are forgotten");
        }
    }
}
