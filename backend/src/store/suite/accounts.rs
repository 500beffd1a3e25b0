//! Accounts, sessions, and the nodes' passwords.

use std::sync::Arc;

use signalbox_protocol::api::user::{Role, User};

use super::{
    Fixture, at_s,
    rows::{session, user},
};
use crate::store::{AccountStore, SessionRow, StoreError};

pub(in crate::store) async fn exactly_one_first_account_is_administrator<F: Fixture>() {
    const PEOPLE: usize = 8;
    let fixture = F::new().await;
    let store = Arc::new(fixture.open().await);
    let mut joining = tokio::task::JoinSet::new();
    for i in 0..PEOPLE {
        let store = Arc::clone(&store);
        joining.spawn(async move {
            let new = user(&format!("user{i}"), Role::Viewer);
            store.add_user(&new, "hash", true).await.unwrap()
        });
    }
    let told = joining.join_all().await;
    let administrators = |roles: &[Role]| {
        let is = |role: &&Role| **role == Role::Administrator;
        roles.iter().filter(is).count()
    };
    assert_eq!(administrators(&told), 1);
    let kept: Vec<Role> = store
        .users()
        .await
        .unwrap()
        .into_iter()
        .map(|user| user.role)
        .collect();
    assert_eq!(kept.len(), PEOPLE);
    assert_eq!(administrators(&kept), 1);
}

pub(in crate::store) async fn a_taken_name_is_refused<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let anna = user("anna", Role::Operator);
    let role = store.add_user(&anna, "one", false).await.unwrap();
    assert_eq!(role, Role::Operator, "the role asked for");
    let again = user("anna", Role::Administrator);
    let result = store.add_user(&again, "two", true).await;
    assert!(
        matches!(&result, Err(StoreError::Taken { name }) if name == "anna"),
        "{result:?}"
    );
    let (kept, hash) = store.user("anna").await.unwrap().unwrap();
    assert_eq!((kept, hash.as_str()), (anna, "one"));
    let ben = user("Ben", Role::Viewer);
    assert_eq!(
        store.add_user(&ben, "three", true).await.unwrap(),
        Role::Viewer
    );
    let names: Vec<String> = store
        .users()
        .await
        .unwrap()
        .into_iter()
        .map(|user| user.username)
        .collect();
    assert_eq!(names, ["Ben", "anna"], "in byte order");
}

async fn logged_in<F: Fixture>(fixture: &F) -> F::Store {
    let store = fixture.open().await;
    for name in ["anna", "ben"] {
        store
            .add_user(&user(name, Role::Viewer), "hash", false)
            .await
            .unwrap();
    }
    for (token, name) in [(1, "anna"), (2, "anna"), (3, "ben")] {
        store.add_session(&session(token, name)).await.unwrap();
    }
    store
}

async fn open_sessions(store: &impl AccountStore) -> Vec<u8> {
    let mut open = Vec::new();
    for token in 1..=3 {
        let found = store.session(&[token; 32], at_s(50)).await.unwrap();
        if found.is_some() {
            open.push(token);
        }
    }
    open
}

pub(in crate::store) async fn a_new_password_or_role_ends_sessions<F: Fixture>() {
    let fixture = F::new().await;
    let store = logged_in(&fixture).await;
    store
        .update_user("anna", None, None, Some("new@example.org"))
        .await
        .unwrap();
    assert_eq!(open_sessions(&store).await, [1, 2, 3], "only the address");
    store
        .update_user("anna", Some("new hash"), None, None)
        .await
        .unwrap();
    assert_eq!(open_sessions(&store).await, [3]);
    store
        .update_user("ben", None, Some(Role::Operator), None)
        .await
        .unwrap();
    assert_eq!(open_sessions(&store).await, [0_u8; 0]);
    let (anna, hash) = store.user("anna").await.unwrap().unwrap();
    assert_eq!(hash, "new hash");
    let expected = User {
        email: "new@example.org".to_owned(),
        last_login_at: Some(at_s(10)),
        ..user("anna", Role::Viewer)
    };
    assert_eq!(anna, expected);
    let (ben, _) = store.user("ben").await.unwrap().unwrap();
    assert_eq!(ben.role, Role::Operator);
}

pub(in crate::store) async fn sessions_end_by_time_and_by_hand<F: Fixture>() {
    let fixture = F::new().await;
    let store = logged_in(&fixture).await;
    F::close(store).await;
    let store = fixture.open().await;
    let found = store.session(&[1; 32], at_s(99)).await.unwrap();
    assert_eq!(found, Some(session(1, "anna")), "over a restart");
    assert_eq!(store.session(&[1; 32], at_s(100)).await.unwrap(), None);
    assert_eq!(store.session(&[9; 32], at_s(50)).await.unwrap(), None);

    assert!(store.end_session(&[1; 32]).await.unwrap());
    assert!(!store.end_session(&[1; 32]).await.unwrap());
    assert_eq!(open_sessions(&store).await, [2, 3]);

    let longer = SessionRow {
        expires_at: at_s(1_000),
        ..session(1, "ben")
    };
    store.add_session(&longer).await.unwrap();
    assert_eq!(store.prune_sessions(at_s(99)).await.unwrap(), 0);
    assert_eq!(store.prune_sessions(at_s(100)).await.unwrap(), 2);
    assert_eq!(open_sessions(&store).await, [1]);
}

pub(in crate::store) async fn sessions_are_listed_newest_first_while_they_last<F: Fixture>() {
    let fixture = F::new().await;
    let store = logged_in(&fixture).await;
    let newest = SessionRow {
        created_at: at_s(20),
        expires_at: at_s(200),
        ..session(9, "ben")
    };
    store.add_session(&newest).await.unwrap();
    let listed = store.sessions(at_s(99), 10).await.unwrap();
    let tokens =
        |listed: &[SessionRow]| -> Vec<u8> { listed.iter().map(|row| row.token_hash[0]).collect() };
    assert_eq!(tokens(&listed), [9, 1, 2, 3]);
    assert_eq!(listed[0], newest);
    assert_eq!(tokens(&store.sessions(at_s(99), 2).await.unwrap()), [9, 1]);
    assert_eq!(tokens(&store.sessions(at_s(100), 10).await.unwrap()), [9]);
}

pub(in crate::store) async fn a_deleted_account_takes_its_sessions_along<F: Fixture>() {
    let fixture = F::new().await;
    let store = logged_in(&fixture).await;
    store.delete_user("anna").await.unwrap();
    assert_eq!(open_sessions(&store).await, [3]);
    assert_eq!(store.user("anna").await.unwrap(), None);
    let role = store
        .add_user(&user("anna", Role::Viewer), "hash", true)
        .await
        .unwrap();
    assert_eq!(role, Role::Viewer, "ben is still there");
    assert_eq!(open_sessions(&store).await, [3], "a new anna is another");
}

pub(in crate::store) async fn what_is_missing_is_told<F: Fixture>() {
    let fixture = F::new().await;
    let store = logged_in(&fixture).await;
    let results = [
        store.update_user("nobody", Some("hash"), None, None).await,
        store.delete_user("nobody").await,
        store.add_session(&session(7, "nobody")).await,
    ];
    for result in results {
        assert!(
            matches!(&result, Err(StoreError::Missing { name }) if name == "nobody"),
            "{result:?}"
        );
    }
    assert_eq!(store.user("nobody").await.unwrap(), None);
    assert_eq!(store.session(&[7; 32], at_s(50)).await.unwrap(), None);
}

pub(in crate::store) async fn node_passwords_are_set_replaced_and_removed<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    assert_eq!(store.node_password("attic").await.unwrap(), None);
    for hash in ["one", "two"] {
        store.set_node_password("attic", hash).await.unwrap();
        let kept = store.node_password("attic").await.unwrap();
        assert_eq!(kept.as_deref(), Some(hash));
    }
    assert!(store.remove_node_password("attic").await.unwrap());
    assert!(!store.remove_node_password("attic").await.unwrap());
    assert_eq!(store.node_password("attic").await.unwrap(), None);
}
