//! The URIs of errors and of closing reasons that the router uses (spec: "Predefined URIs").

macro_rules! uris {
    ($($(#[$doc:meta])* $name:ident = $uri:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $uri;)*
    };
}

uris! {
    /// A URI breaks the syntax rule of the realm, or is reserved.
    INVALID_URI = "wamp.error.invalid_uri";
    /// No registration matches the procedure.
    NO_SUCH_PROCEDURE = "wamp.error.no_such_procedure";
    /// The procedure is registered already.
    PROCEDURE_ALREADY_EXISTS = "wamp.error.procedure_already_exists";
    /// The session has no such registration.
    NO_SUCH_REGISTRATION = "wamp.error.no_such_registration";
    /// The registration has no such callee; not in the specification.
    NO_SUCH_CALLEE = "wamp.error.no_such_callee";
    /// The session has no such subscription.
    NO_SUCH_SUBSCRIPTION = "wamp.error.no_such_subscription";
    /// Arguments of a call do not fit the procedure.
    INVALID_ARGUMENT = "wamp.error.invalid_argument";
    /// The call was canceled, or its callee is gone.
    CANCELED = "wamp.error.canceled";
    /// The payload is larger than the receiver's transport takes.
    PAYLOAD_SIZE_EXCEEDED = "wamp.error.payload_size_exceeded";
    /// The peer broke the protocol.
    PROTOCOL_VIOLATION = "wamp.error.protocol_violation";
    /// The session may not do this.
    NOT_AUTHORIZED = "wamp.error.not_authorized";
    /// Whether the session may do this could not be decided.
    AUTHORIZATION_FAILED = "wamp.error.authorization_failed";
    /// The realm does not exist.
    NO_SUCH_REALM = "wamp.error.no_such_realm";
    /// The role does not exist.
    NO_SUCH_ROLE = "wamp.error.no_such_role";
    /// The principal does not exist.
    NO_SUCH_PRINCIPAL = "wamp.error.no_such_principal";
    /// The session does not exist.
    NO_SUCH_SESSION = "wamp.error.no_such_session";
    /// None of the offered authentication methods is available.
    NO_MATCHING_AUTH_METHOD = "wamp.error.no_matching_auth_method";
    /// The authentication was refused.
    AUTHENTICATION_DENIED = "wamp.error.authentication_denied";
    /// The authentication could not be carried out.
    AUTHENTICATION_FAILED = "wamp.error.authentication_failed";
    /// The realm wants an authentication.
    AUTHENTICATION_REQUIRED = "wamp.error.authentication_required";
    /// The call took longer than it may.
    TIMEOUT = "wamp.error.timeout";
    /// The callee cannot take the call now.
    UNAVAILABLE = "wamp.error.unavailable";
    /// No callee of the registration can take the call now.
    NO_AVAILABLE_CALLEE = "wamp.error.no_available_callee";
    /// The peer lacks a feature that the request needs.
    FEATURE_NOT_SUPPORTED = "wamp.error.feature_not_supported";
    /// An option is not allowed.
    OPTION_NOT_ALLOWED = "wamp.error.option_not_allowed";
    /// The session may not disclose itself.
    OPTION_DISALLOWED_DISCLOSE_ME = "wamp.error.option_disallowed.disclose_me";
    /// The network failed.
    NETWORK_FAILURE = "wamp.error.network_failure";

    /// The router shuts down.
    SYSTEM_SHUTDOWN = "wamp.close.system_shutdown";
    /// The session leaves the realm.
    CLOSE_REALM = "wamp.close.close_realm";
    /// A registration is revoked because another session has forced its way in; not in the specification.
    REREGISTERED = "connectanum.registration.reregistered";
    /// A registration is revoked because another session of the same principal has taken it over; not in the specification.
    TAKEN_OVER = "connectanum.registration.taken_over";
    /// The answer to a GOODBYE.
    GOODBYE_AND_OUT = "wamp.close.goodbye_and_out";
    /// The session was killed through the meta API.
    KILLED = "wamp.close.killed";
    /// The session leaves, and its client is not to be known again by its cookie; not in the specification, but what Crossbar.io knows.
    CLOSE_LOGOUT = "wamp.close.logout";
    /// The session leaves; not in the specification, but what clients send.
    CLOSE_NORMAL = "wamp.close.normal";
}
