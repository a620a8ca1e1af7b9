//! What sessions ask the router about themselves: nobody finds the world older than his own acts.

use connectanum::wamp::message::Error;

use super::Model;
use crate::uris::Pattern;
use crate::value::{Args, Value};

/// Something that a session knows and asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Who is there.
    Sessions,
    /// The id of its own subscription, and who else is in.
    Subscription(usize),
    Subscribers(usize),
    /// The same for a registration.
    Registration(usize),
    Callees(usize),
    /// Events of the past of its subscription, asked for at this tick.
    History(usize, u64),
}

impl Model {
    /// What a session knows for sure.
    pub(crate) fn facts(&self, session: usize) -> Vec<Fact> {
        let mut facts = vec![Fact::Sessions];
        for (at, sub) in self.subs.iter().enumerate() {
            if sub.session == session && sub.id.is_some() && !sub.is_left {
                // Nodes are not looked up.
                facts.extend(sub.nkey.is_none().then_some(Fact::Subscription(at)));
                facts.push(Fact::Subscribers(at));
                // Who takes small messages only gets some of it.
                if self.has_history(session) && !self.sessions[session].is_limited {
                    facts.extend([Fact::History(at, self.tick); 3]);
                }
            }
        }
        for (at, reg) in self.regs.iter().enumerate() {
            if reg.session == session && reg.id.is_some() && !reg.is_left {
                facts.extend([Fact::Registration(at), Fact::Callees(at)]);
            }
        }
        facts
    }

    /// The procedure that tells, and its arguments.
    pub(crate) fn question(&self, fact: Fact) -> (&'static str, Args) {
        let lookup = |(policy, uri): Pattern| {
            let options = [("match".to_owned(), Value::Text(policy.name().to_owned()))];
            vec![Value::Text(uri.to_owned()), Value::Dict(options.into())]
        };
        let members = |id: Option<u64>| vec![Value::Int(id.expect("it is known") as i64)];
        let (procedure, list) = match fact {
            Fact::Sessions => ("wamp.session.list", vec![]),
            Fact::Subscription(at) => ("wamp.subscription.lookup", lookup(self.subs[at].pattern)),
            Fact::Subscribers(at) => ("wamp.subscription.list_subscribers", members(self.subs[at].id)),
            Fact::History(at, _) => ("wamp.subscription.get_events", members(self.subs[at].id)),
            Fact::Registration(at) => ("wamp.registration.lookup", lookup(self.regs[at].pattern)),
            Fact::Callees(at) => ("wamp.registration.list_callees", members(self.regs[at].id)),
        };
        (procedure, Args(vec![Value::List(list)]))
    }

    /// Whether nothing has happened since that could make the fact wrong.
    fn still_holds(&self, session: usize, fact: Fact) -> bool {
        self.is_alive(session)
            && match fact {
                Fact::Sessions => true,
                Fact::Subscription(at) | Fact::Subscribers(at) | Fact::History(at, _) => {
                    !self.subs[at].is_left && !self.subs[at].ending
                }
                Fact::Registration(at) | Fact::Callees(at) => {
                    !self.regs[at].is_left && self.is_registered(&self.regs[at])
                }
            }
    }

    /// The router has told.
    pub(super) fn fact_told(&self, session: usize, fact: Fact, args: &Args) {
        if let Fact::History(at, since) = fact {
            return self.history_told(session, at, since, args);
        }
        if !self.still_holds(session, fact) {
            return;
        }
        let Some(Value::List(results)) = args.0.first() else { panic!("{fact:?}: {args:?}") };
        let own = self.sessions[session].id.expect("it was welcomed");
        let holds = |id: u64| match &results[..] {
            [Value::List(ids)] => ids.contains(&Value::Int(id as i64)),
            [it] => *it == Value::Int(id as i64),
            _ => false,
        };
        match fact {
            Fact::Subscription(at) => assert!(self.subs[at].id.is_some_and(holds), "{fact:?}: {args:?}"),
            Fact::Registration(at) => assert!(self.regs[at].id.is_some_and(holds), "{fact:?}: {args:?}"),
            Fact::Subscribers(_) | Fact::Callees(_) | Fact::Sessions | Fact::History(..) => {
                assert!(holds(own), "{fact:?} without {own}: {args:?}");
            }
        }
    }

    /// The router knows nothing of it.
    pub(super) fn fact_unknown(&self, session: usize, fact: Fact, error: &Error<'_>) {
        let no_such = ["wamp.error.no_such_registration", "wamp.error.no_such_subscription"];
        assert!(no_such.contains(&&*error.error), "{fact:?}: {}", error.error);
        assert!(!self.still_holds(session, fact), "{fact:?}, but {}", error.error);
    }
}
