//! How many sessions each authid has, on all shards together. Every shard counts, and tells the others what changes; so who joins on two
//! shards in the same moment may have one session more than allowed.

use super::mesh::{RealmId, Word};
use super::shard::Shard;
use super::time::Time;

impl Shard {
    /// Sessions of this authid, as far as this shard knows.
    pub(super) fn present(&self, realm: RealmId, authid: &str) -> usize {
        self.presence.get(&self.culprit(realm, authid)).map_or(0, |count| *count as usize)
    }

    /// A session that counts has come or gone.
    pub(super) fn note_presence(&mut self, now: Time, realm: RealmId, authid: &str, is_in: bool) {
        let who = self.culprit(realm, authid);
        self.hear_presence(who, is_in);
        for shard in self.others() {
            self.tell(now, shard, Word::Present { who, is_in });
        }
    }

    /// The same, here or on another shard.
    pub(super) fn hear_presence(&mut self, who: u64, is_in: bool) {
        if is_in {
            *self.presence.entry(who).or_default() += 1;
        } else if let Some(count) = self.presence.get_mut(&who) {
            *count -= 1;
            if *count == 0 {
                self.presence.remove(&who);
            }
        }
    }
}
