//! The message types: code, name, number of elements, who may send them (spec: "Message Codes and Direction").

use std::ops::RangeInclusive;

use super::message::Message;

/// What is fixed for all messages of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// How many elements the message has, its code included.
    pub(super) elements: RangeInclusive<usize>,
    pub(super) sender: Sender,
}

/// Who may send messages of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Router,
    Both,
}

macro_rules! shapes {
    ($($code:literal $name:literal $min:literal..=$max:literal $sender:ident;)*) => {
        /// The shape of the messages with a code.
        pub(super) const fn shape(code: u64) -> Option<&'static Shape> {
            match code {
                $($code => Some(const { &Shape { name: $name, elements: $min..=$max, sender: Sender::$sender } }),)*
                _ => None,
            }
        }
    };
}

shapes! {
    1 "HELLO" 3..=3 Client;
    2 "WELCOME" 3..=3 Router;
    3 "ABORT" 3..=5 Both;
    4 "CHALLENGE" 3..=3 Router;
    5 "AUTHENTICATE" 3..=3 Client;
    6 "GOODBYE" 3..=3 Both;
    8 "ERROR" 5..=7 Both;
    16 "PUBLISH" 4..=6 Client;
    17 "PUBLISHED" 3..=3 Router;
    32 "SUBSCRIBE" 4..=4 Client;
    33 "SUBSCRIBED" 3..=3 Router;
    34 "UNSUBSCRIBE" 3..=3 Client;
    35 "UNSUBSCRIBED" 2..=3 Router;
    36 "EVENT" 4..=6 Router;
    48 "CALL" 4..=6 Client;
    49 "CANCEL" 3..=3 Client;
    50 "RESULT" 3..=5 Router;
    64 "REGISTER" 4..=4 Client;
    65 "REGISTERED" 3..=3 Router;
    66 "UNREGISTER" 3..=3 Client;
    67 "UNREGISTERED" 2..=3 Router;
    68 "INVOCATION" 4..=6 Router;
    69 "INTERRUPT" 3..=3 Router;
    70 "YIELD" 3..=5 Client;
    337 "EVENT_RECEIVED" 2..=2 Client;
}

impl Message<'_> {
    /// The code of its type, the first element.
    pub fn code(&self) -> u16 {
        match self {
            Message::Hello(_) => 1,
            Message::Welcome(_) => 2,
            Message::Abort(_) => 3,
            Message::Challenge { .. } => 4,
            Message::Authenticate { .. } => 5,
            Message::Goodbye { .. } => 6,
            Message::Error(_) => 8,
            Message::Publish(_) => 16,
            Message::Published { .. } => 17,
            Message::Subscribe { .. } => 32,
            Message::Subscribed { .. } => 33,
            Message::Unsubscribe { .. } => 34,
            Message::Unsubscribed { .. } => 35,
            Message::Event(_) => 36,
            Message::Call(_) => 48,
            Message::Cancel { .. } => 49,
            Message::Result(_) => 50,
            Message::Register { .. } => 64,
            Message::Registered { .. } => 65,
            Message::Unregister { .. } => 66,
            Message::Unregistered { .. } => 67,
            Message::Invocation(_) => 68,
            Message::Interrupt { .. } => 69,
            Message::Yield(_) => 70,
            Message::EventReceived { .. } => 337,
        }
    }

    /// The name of its type, as the specification writes it.
    pub fn name(&self) -> &'static str {
        shape(u64::from(self.code())).map_or("", |shape| shape.name)
    }
}
