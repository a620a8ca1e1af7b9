//! The ids of WAMP, a type for each kind so that they cannot be mixed up (spec: "IDs").

use std::fmt;

use crate::limits::ID_MAX;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A session: global scope. `id mod shards` names its shard.
    SessionId
}
id! {
    /// A publication: global scope, random.
    PublicationId
}
id! {
    /// A subscription: router scope, shared by all its subscribers.
    SubscriptionId
}
id! {
    /// A registration: router scope, shared by all its callees.
    RegistrationId
}
id! {
    /// A request: session scope, chosen by whoever sends the request.
    RequestId
}

/// Whether `id` lies in 1..=2^53.
pub const fn is_valid(id: u64) -> bool {
    id >= 1 && id <= ID_MAX
}
