//! The columns of `show stat` and `;csv`, in HAProxy 2.6's order: name, tags, and which object fills it with
//! what. Tools find columns by this order or by these names, so nothing here is ours to choose.

use super::{
    Field, Value::Empty, Value::Text, Value::U32, Value::U64, address, agent_code, agent_status, algorithm,
    asked, check_code, check_duration, check_status, checked, column, connections_needed, cookie, counted,
    http, last_answer, last_check, last_session, limit, mode, rate, seconds, text,
};
use crate::state::AgentRecord;

/// HAProxy's own columns; [`MODULE_FIELDS`] follow after a `-`.
pub static FIELDS: &[Field] = &[
    column("pxname", "KNS")
        .frontend(|f| text(&f.config.name))
        .backend(|b| text(&b.config.name))
        .server(|s| text(&s.backend.name)),
    column("svname", "KNS")
        .frontend(|_| text("FRONTEND"))
        .backend(|_| text("BACKEND"))
        .server(|s| text(&s.config.name)),
    column("qcur", "MGP")
        .backend(|b| U32(b.view.live.queue.length.now()))
        .server(|s| U32(s.live.queued.now())),
    column("qmax", "MMP")
        .backend(|b| U32(b.view.live.queue.length.max()))
        .server(|s| U32(s.live.queued.max())),
    column("scur", "MGP")
        .frontend(|f| U32(f.live.traffic.sessions.now()))
        .backend(|b| U32(b.view.live.traffic.sessions.now()))
        .server(|s| U32(s.live.traffic.sessions.now())),
    column("smax", "MMP")
        .frontend(|f| U32(f.live.traffic.sessions.max()))
        .backend(|b| U32(b.view.live.traffic.sessions.max()))
        .server(|s| U32(s.live.traffic.sessions.max())),
    column("slim", "CLP")
        .frontend(|f| U32(f.limit))
        .backend(|b| U32(b.fullconn))
        .server(|s| limit(s.config.maxconn)),
    column("stot", "MCP")
        .frontend(|f| U64(f.live.traffic.total.sum()))
        .backend(|b| U64(b.view.live.traffic.total.sum()))
        .server(|s| U64(s.live.traffic.total.sum())),
    column("bin", "MCP")
        .frontend(|f| U64(f.live.traffic.bytes_in.sum()))
        .backend(|b| U64(b.view.live.traffic.bytes_in.sum()))
        .server(|s| U64(s.live.traffic.bytes_in.sum())),
    column("bout", "MCP")
        .frontend(|f| U64(f.live.traffic.bytes_out.sum()))
        .backend(|b| U64(b.view.live.traffic.bytes_out.sum()))
        .server(|s| U64(s.live.traffic.bytes_out.sum())),
    column("dreq", "MCP").frontend(|f| U64(f.live.traffic.denied.sum())).backend(|_| U64(0)),
    column("dresp", "MCP")
        .frontend(|f| U64(f.live.traffic.denied_responses.sum()))
        .backend(|b| U64(b.view.live.traffic.denied_responses.sum()))
        .server(|s| U64(s.live.traffic.denied_responses.sum())),
    column("ereq", "MCP").frontend(|f| U64(f.live.failed_requests.sum())),
    column("econ", "MCP")
        .backend(|b| U64(b.view.live.traffic.connect_errors.sum()))
        .server(|s| U64(s.live.traffic.connect_errors.sum())),
    column("eresp", "MCP")
        .backend(|b| U64(b.view.live.traffic.response_errors.sum()))
        .server(|s| U64(s.live.traffic.response_errors.sum())),
    column("wretr", "MCP")
        .backend(|b| U64(b.view.live.traffic.retries.sum()))
        .server(|s| U64(s.live.traffic.retries.sum())),
    column("wredis", "MCP")
        .backend(|b| U64(b.view.live.traffic.redispatches.sum()))
        .server(|s| U64(s.live.traffic.redispatches.sum())),
    column("status", "SGP")
        .frontend(|f| text(f.status()))
        .backend(|b| text(if b.is_up() { "UP" } else { "DOWN" }))
        .server(|s| Text(s.word())),
    column("weight", "MaP").backend(|b| U32(b.tally.weight)).server(|s| U32(s.live.effective_weight())),
    column("act", "SGP")
        .backend_tags("MGP")
        .backend(|b| U32(b.tally.active))
        .server(|s| U32((!s.config.backup).into())),
    column("bck", "SGP")
        .backend_tags("MGP")
        .backend(|b| U32(b.tally.backup))
        .server(|s| U32(s.config.backup.into())),
    column("chkfail", "MCP").server(|s| counted(s, U64(s.health.failed_checks))),
    column("chkdown", "MCP")
        .backend(|b| U64(b.view.live.down_transitions.sum()))
        .server(|s| counted(s, U64(s.health.down_transitions))),
    column("lastchg", "MAP").backend(|b| seconds(b.unchanged_ms())).server(|s| seconds(s.unchanged_ms())),
    column("downtime", "MCP")
        .backend(|b| if !b.has_servers() { Empty } else { seconds(b.downtime_ms()) })
        .server(|s| counted(s, seconds(s.downtime_ms()))),
    column("qlimit", "CLP").server(|s| limit(s.config.maxqueue)),
    column("pid", "KGP").frontend(|_| U32(1)).backend(|_| U32(1)).server(|_| U32(1)),
    column("iid", "KGS")
        .frontend(|f| U32(f.config.proxy_id))
        .backend(|b| U32(b.config.proxy_id))
        .server(|s| U32(s.backend.proxy_id)),
    column("sid", "KGS").frontend(|_| U32(0)).backend(|_| U32(0)).server(|s| U32(s.config.id)),
    column("throttle", "MaP").server(|s| s.throttle().map_or(Empty, U32)),
    column("lbtot", "MCP")
        .backend(|b| U64(b.view.live.traffic.chosen.sum()))
        .server(|s| U64(s.live.traffic.chosen.sum())),
    column("tracked", "CNS").server(|s| s.config.track.as_ref().map_or(Empty, |track| text(&track.name))),
    column("type", "CGS").frontend(|_| U32(0)).backend(|_| U32(1)).server(|_| U32(2)),
    column("rate", "MRP")
        .frontend(|f| rate(f.live.traffic.rate.now(f.now)))
        .backend_tags("MGP")
        .backend(|b| rate(b.view.live.traffic.rate.now(b.now)))
        .server(|s| rate(s.live.traffic.rate.now(s.now))),
    column("rate_lim", "CLP").frontend(|f| U32(f.config.rate_limit_sessions.unwrap_or(0))),
    column("rate_max", "MMP")
        .frontend(|f| rate(f.live.traffic.rate.max()))
        .backend_tags("MGP")
        .backend(|b| rate(b.view.live.traffic.rate.max()))
        .server(|s| rate(s.live.traffic.rate.max())),
    column("check_status", "MOP").server(check_status),
    column("check_code", "MOP").server(check_code),
    column("check_duration", "MDP").server(check_duration),
    column("hrsp_1xx", "MCP")
        .frontend(|f| http(f.config.mode, f.live.responses[0].sum()))
        .backend(|b| http(b.config.mode, 0)),
    column("hrsp_2xx", "MCP")
        .frontend(|f| http(f.config.mode, f.live.responses[1].sum()))
        .backend(|b| http(b.config.mode, 0)),
    column("hrsp_3xx", "MCP")
        .frontend(|f| http(f.config.mode, f.live.responses[2].sum()))
        .backend(|b| http(b.config.mode, 0)),
    column("hrsp_4xx", "MCP")
        .frontend(|f| http(f.config.mode, f.live.responses[3].sum()))
        .backend(|b| http(b.config.mode, 0)),
    column("hrsp_5xx", "MCP")
        .frontend(|f| http(f.config.mode, f.live.responses[4].sum()))
        .backend(|b| http(b.config.mode, 0)),
    column("hrsp_other", "MCP")
        .frontend(|f| http(f.config.mode, f.live.responses[5].sum()))
        .backend(|b| http(b.config.mode, 0)),
    column("hanafail", "MCP").server(|s| match s.config.observe_layer4 {
        true => counted(s, U64(s.health.failed_analyses)),
        false => Empty,
    }),
    column("req_rate", "MRP").frontend(|f| rate(f.live.request_rate.now(f.now))),
    column("req_rate_max", "MMP").frontend(|f| rate(f.live.request_rate.max())),
    column("req_tot", "MCP").frontend(|f| U64(f.live.requests.sum())).backend(|b| http(b.config.mode, 0)),
    column("cli_abrt", "MCP")
        .backend(|b| U64(b.view.live.traffic.client_aborts.sum()))
        .server(|s| U64(s.live.traffic.client_aborts.sum())),
    column("srv_abrt", "MCP")
        .backend(|b| U64(b.view.live.traffic.server_aborts.sum()))
        .server(|s| U64(s.live.traffic.server_aborts.sum())),
    column("comp_in", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("comp_out", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("comp_byp", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("comp_rsp", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("lastsess", "MAP")
        .backend(|b| last_session(&b.view.live.traffic, b.now))
        .server(|s| last_session(&s.live.traffic, s.now)),
    column("last_chk", "MOP").server(last_check),
    column("last_agt", "MOP").server(|s| asked(s, last_answer)),
    column("qtime", "MaP")
        .backend(|b| U32(b.view.live.traffic.mean(|traffic| &traffic.queue_time)))
        .server(|s| U32(s.live.traffic.mean(|traffic| &traffic.queue_time))),
    column("ctime", "MaP")
        .backend(|b| U32(b.view.live.traffic.mean(|traffic| &traffic.connect_time)))
        .server(|s| U32(s.live.traffic.mean(|traffic| &traffic.connect_time))),
    column("rtime", "MaP").backend(|_| U32(0)).server(|_| U32(0)),
    column("ttime", "MaP")
        .backend(|b| U32(b.view.live.traffic.mean(|traffic| &traffic.total_time)))
        .server(|s| U32(s.live.traffic.mean(|traffic| &traffic.total_time))),
    column("agent_status", "MOP").server(|s| asked(s, agent_status)),
    column("agent_code", "MOP").server(|s| asked(s, agent_code)),
    column("agent_duration", "MDP").server(|s| asked(s, |agent| U64(agent.duration_ms.unwrap_or(0)))),
    column("check_desc", "MOP").server(|s| checked(s, text(s.health.status.description()))),
    column("agent_desc", "MOP").server(|s| asked(s, |agent| text(agent.status.description()))),
    column("check_rise", "CGS").server(|s| checked(s, U32(s.health.rise))),
    column("check_fall", "CGS").server(|s| checked(s, U32(s.health.fall))),
    column("check_health", "CGS").server(|s| checked(s, U32(s.health.counter))),
    column("agent_rise", "CGS").server(|s| asked(s, |_| U32(AgentRecord::RISE_FALL))),
    column("agent_fall", "CGS").server(|s| asked(s, |_| U32(AgentRecord::RISE_FALL))),
    column("agent_health", "CGS").server(|s| asked(s, |agent| U32(agent.counter()))),
    column("addr", "CGS").server(address),
    column("cookie", "CNS").server(cookie),
    column("mode", "CGS")
        .frontend(|f| mode(f.config.mode))
        .backend(|b| mode(b.config.mode))
        .server(|s| mode(s.backend.mode)),
    column("algo", "CGS").backend(algorithm),
    column("conn_rate", "MRP").frontend(|f| rate(f.live.connection_rate.now(f.now))),
    column("conn_rate_max", "MMP").frontend(|f| rate(f.live.connection_rate.max())),
    column("conn_tot", "MCP").frontend(|f| U64(f.live.connections.sum())),
    column("intercepted", "MCP").frontend(|f| http(f.config.mode, f.live.intercepted.sum())),
    column("dcon", "MCP").frontend(|f| U64(f.live.denied_connections.sum())),
    column("dses", "MCP").frontend(|f| U64(f.live.denied_sessions.sum())),
    column("wrew", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)).server(|_| U64(0)),
    column("connect", "MCP")
        .backend(|b| U64(b.view.live.traffic.connects.sum()))
        .server(|s| U64(s.live.traffic.connects.sum())),
    column("reuse", "MCP").backend(|_| U64(0)).server(|_| U64(0)),
    column("cache_lookups", "MCP").frontend(|f| http(f.config.mode, 0)).backend(|b| http(b.config.mode, 0)),
    column("cache_hits", "MCP").frontend(|f| http(f.config.mode, 0)).backend(|b| http(b.config.mode, 0)),
    column("srv_icur", "MGP").server(|_| U32(0)),
    column("src_ilim", "CLP"),
    column("qtime_max", "MMP")
        .backend(|b| U32(b.view.live.traffic.queue_time.max()))
        .server(|s| U32(s.live.traffic.queue_time.max())),
    column("ctime_max", "MMP")
        .backend(|b| U32(b.view.live.traffic.connect_time.max()))
        .server(|s| U32(s.live.traffic.connect_time.max())),
    column("rtime_max", "MMP").backend(|_| U32(0)).server(|_| U32(0)),
    column("ttime_max", "MMP")
        .backend(|b| U32(b.view.live.traffic.total_time.max()))
        .server(|s| U32(s.live.traffic.total_time.max())),
    column("eint", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)).server(|_| U64(0)),
    column("idle_conn_cur", "MGP").server(|_| U32(0)),
    column("safe_conn_cur", "MGP").server(|_| U32(0)),
    column("used_conn_cur", "MGP").server(|_| U32(0)),
    column("need_conn_est", "MGP").server(|s| U32(connections_needed(s))),
    column("uweight", "MaP").backend(|b| U32(b.tally.weight)).server(|s| U32(s.config.weight)),
    column("agg_server_status", "MGP").backend(|_| U32(0)),
    column("agg_server_check_status", "MGP").backend(|_| U32(0)),
    column("agg_check_status", "MGP").backend(|_| U32(0)),
];

/// What HAProxy's modules add: TLS, HTTP/2, HTTP/1. None of them runs in this program, but the columns must
/// be there.
pub static MODULE_FIELDS: &[Field] = &[
    column("ssl_sess", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)).server(|_| U64(0)),
    column("ssl_reused_sess", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)).server(|_| U64(0)),
    column("ssl_failed_handshake", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)).server(|_| U64(0)),
    column("h2_headers_rcvd", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_data_rcvd", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_settings_rcvd", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_rst_stream_rcvd", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_goaway_rcvd", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_detected_conn_protocol_errors", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_detected_strm_protocol_errors", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_rst_stream_resp", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_goaway_resp", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_open_connections", "MGP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_backend_open_streams", "MGP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_total_connections", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h2_backend_total_streams", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_open_connections", "MGP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_open_streams", "MGP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_total_connections", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_total_streams", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_bytes_in", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_bytes_out", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_spliced_bytes_in", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
    column("h1_spliced_bytes_out", "MCP").frontend(|_| U64(0)).backend(|_| U64(0)),
];
