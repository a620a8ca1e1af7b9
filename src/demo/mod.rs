//! The demo page: two WAMP clients that talk to each other through this router.

use crate::http::{Site, StaticFile};

/// What `GET` finds on this router.
pub static SITE: Site<'_> = Site {
    tracking: None,
    files: &[
        StaticFile {
            path: "/",
            content_type: "text/html; charset=utf-8",
            body: include_bytes!("index.html"),
        },
        StaticFile {
            path: "/wamp.js",
            content_type: "text/javascript; charset=utf-8",
            body: include_bytes!("wamp.js"),
        },
    ],
};
