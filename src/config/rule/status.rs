//! The table of answers that HAProxy gives by itself: status, its name, and the sentence of its page.

/// Each status, its name and its sentence.
static PAGES: &[(u16, &str, &str)] = &[
    (200, "OK", "Service ready."),
    (400, "Bad request", "Your browser sent an invalid request."),
    (401, "Unauthorized", "You need a valid user and password to access this content."),
    (403, "Forbidden", "Request forbidden by administrative rules."),
    (404, "Not Found", "The resource could not be found."),
    (
        405,
        "Method Not Allowed",
        "A request was made of a resource using a request method not supported by that resource",
    ),
    (407, "Unauthorized", "You need a valid user and password to access this content."),
    (408, "Request Time-out", "Your browser didn't send a complete request in time."),
    (410, "Gone", "The resource is no longer available and will not be available again."),
    (413, "Payload Too Large", "The request entity exceeds the maximum allowed."),
    (421, "Misdirected Request", "Request sent to a non-authoritative server."),
    (422, "Unprocessable Content", "The server cannot process the contained instructions."),
    (425, "Too Early", "Your browser sent early data."),
    (429, "Too Many Requests", "You have sent too many requests in a given amount of time."),
    (500, "Internal Server Error", "An internal server error occurred."),
    (
        501,
        "Not Implemented",
        ".The server does not support the functionality required to fulfill the request.",
    ),
    (502, "Bad Gateway", "The server returned an invalid or incomplete response."),
    (503, "Service Unavailable", "No server is available to handle this request."),
    (504, "Gateway Time-out", "The server didn't respond in time."),
];

/// The name of a status; `None` where HAProxy has no page for it.
pub fn name(status: u16) -> Option<&'static str> {
    PAGES.iter().find(|(known, ..)| *known == status).map(|(_, name, _)| *name)
}

/// HAProxy's page for a status.
pub fn page(status: u16) -> Option<String> {
    let (status, name, sentence) = PAGES.iter().find(|(known, ..)| *known == status)?;
    Some(format!("<html><body><h1>{status} {name}</h1>\n{sentence}\n</body></html>\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_as_long_as_haproxys() {
        for (status, length) in
            [(200, 58), (401, 112), (403, 93), (404, 83), (429, 117), (500, 97), (503, 107)]
        {
            assert_eq!(page(status).map(|page| page.len()), Some(length), "{status}");
        }
        assert_eq!((page(418), name(504)), (None, Some("Gateway Time-out")));
    }
}
