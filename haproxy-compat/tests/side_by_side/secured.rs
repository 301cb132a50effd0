//! What handshakes and certificates tell logs, rules and servers: the same from both programs. The real haproxy is
//! the client that speaks TLS, and shows a certificate.

use std::io::Write;
use std::path::Path;

use super::announced::recorder;
use super::program::{BOTH, DEADLINE, Running, Which};
use super::tls::certificates::Authority;

const PAYLOAD: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Of the log; each may be asked for once the session is over.
const ASKED: &str = "%[ssl_fc] %sslv %sslc %[ssl_fc_protocol] %[ssl_fc_cipher] %[ssl_fc_sni] %[ssl_fc_has_sni] \
    %[ssl_fc_alg_keysize] %[ssl_fc_use_keysize] %[ssl_fc_has_early] %[ssl_fc_is_resumed] %[ssl_fc_err] %[ssl_fc_err_str] \
    %[fc_err] %[fc_err_str] %[ssl_c_used] %[ssl_fc_has_crt] %[ssl_c_verify] %[ssl_c_err] %[ssl_c_ca_err] \
    %[ssl_c_ca_err_depth] %[ssl_c_s_dn] %[ssl_c_s_dn(cn)] %[ssl_c_s_dn(CN,2)] %[ssl_c_s_dn(CN,-1)] %[ssl_c_s_dn(,0,rfc2253)] \
    %[ssl_c_i_dn] %[ssl_c_i_dn(O)] %[ssl_c_serial,hex] %[ssl_c_sha1,hex] %[ssl_c_notbefore] %[ssl_c_notafter] \
    %[ssl_c_sig_alg] %[ssl_c_key_alg] %[ssl_c_version] %[ssl_c_der,hex] %[ssl_f_s_dn] %[ssl_f_i_dn(cn)] %[ssl_f_serial,hex] \
    %[ssl_f_sha1,hex] %[ssl_f_notbefore] %[ssl_f_notafter] %[ssl_f_sig_alg] %[ssl_f_key_alg] %[ssl_f_version] %[ssl_f_der,hex] \
    %[var(sess.name)] %[var(txn.text)] %ts";

fn certificates(directory: &Path) {
    let (authority, client) = (Authority::new(), Authority::new());
    let texts = [
        ("client-ca.pem", client.pem()),
        ("client.pem", client.leaf(&["client.example"]).both()),
        ("front.pem", authority.leaf(&["a.example"]).both()),
        ("other.pem", authority.leaf(&["*.b.example"]).both()),
    ];
    for (name, text) in texts {
        std::fs::write(directory.join(name), text).expect("a file");
    }
}

/// A client of `inner` that speaks TLS, and asks for that host: its log line, and what the server got.
fn visit(inner: Which, files: &Path, host: &str) -> (String, Vec<u8>) {
    let (server, told) = recorder(PAYLOAD);
    let files = files.display();
    let config = format!(
        "global\n log @LOG@ len 8192 local0\ndefaults\n mode tcp\n log global\n timeout client 20s\n timeout server 20s\n \
         timeout connect 20s\nfrontend f\n bind @BIND@ ssl crt {files}/front.pem crt {files}/other.pem \
         ca-file {files}/client-ca.pem verify required\n log-format \"{ASKED}\"\n \
         tcp-request session set-var(sess.name) ssl_c_s_dn(cn)\n \
         tcp-request content set-var-fmt(txn.text) %[ssl_fc_sni]/%[ssl_c_verify]\n \
         tcp-request content reject unless {{ ssl_c_verify 0 }}\n default_backend b\n\
         backend b\n server s 127.0.0.1:{server} send-proxy-v2-ssl-cn proxy-v2-options cert-sig,cert-key,ssl-cipher,authority\n"
    );
    let running = Running::start(inner, &config);
    let outer = format!(
        "defaults\n timeout client 20s\n timeout server 20s\n timeout connect 20s\nlisten l\n bind @BIND@\n \
         server s 127.0.0.1:{} ssl verify none crt {files}/client.pem sni str({host})\n",
        running.port
    );
    let outer = Running::start(Which::Haproxy, &outer);
    let mut client = outer.connect();
    client.write_all(PAYLOAD).expect("bytes sent");
    let mut header = told.recv_timeout(DEADLINE).expect("a header");
    header[24..28].fill(0);
    drop(client);
    (running.log_line(), header)
}

#[test]
fn a_handshake_tells_the_log_and_the_server_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    certificates(directory.path());
    for host in ["a.example", "x.b.example", "nobody.example"] {
        let [theirs, ours] = BOTH.map(|which| visit(which, directory.path(), host));
        assert_eq!(theirs.0, ours.0, "{host}");
        assert_eq!(String::from_utf8_lossy(&theirs.1), String::from_utf8_lossy(&ours.1), "{host}");
        assert!(ours.0.contains("/CN=a leaf") && ours.0.contains(host), "{}", ours.0);
    }
}
