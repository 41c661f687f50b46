# A residential server as a template: each feature is a switch, "no" as it stands here.
# pysips -C -f residential.m4 -p m4
divert(-1)
define(`ADDRESS', `127.0.0.1')
define(`DATABASE', `mysql://opensips:opensipsrw@localhost/opensips')
define(`GATEWAY', `192.0.2.44')
define(`VOICEMAIL', `sip:127.0.0.2:5060')
define(`WITH_TCP', `no')
define(`WITH_TLS', `no')
define(`WITH_PASSWORDS', `no')
define(`WITH_ACCOUNTING', `no')
define(`WITH_LOCATION', `no')
define(`WITH_MANAGEMENT', `no')
define(`WITH_NAT', `no')
define(`WITH_MEDIA', `no')
define(`WITH_DOMAINS', `no')
define(`WITH_ALIASES', `no')
define(`WITH_PRESENCE', `no')
define(`WITH_DIALOGS', `no')
define(`WITH_DIALPLAN', `no')
define(`WITH_ROUTING', `no')
define(`WITH_GATEWAY', `no')
define(`WITH_VOICEMAIL', `no')
define(`IF', `ifelse($1, `yes', `$2', `$3')')
define(`KIND', `IF(WITH_ACCOUNTING, `db', `log')')
divert(0)dnl

log_level=3
xlog_level=3
stderror_enabled=yes
udp_workers=2
socket=udp:ADDRESS:5060
IF(WITH_TCP, `socket=tcp:ADDRESS:5060')
IF(WITH_TLS, `socket=tls:ADDRESS:5061')

mpath="/usr/lib/opensips/modules/"
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
modparam("tm", "fr_timeout", 5)
modparam("tm", "fr_inv_timeout", 30)
modparam("tm", "restart_fr_on_each_reply", 0)
modparam("tm", "onreply_avp_mode", 1)
loadmodule "rr.so"
modparam("rr", "append_fromtag", 0)
loadmodule "maxfwd.so"
loadmodule "sipmsgops.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "/tmp/residential_fifo")
modparam("mi_fifo", "fifo_mode", 0660)
loadmodule "proto_udp.so"
IF(WITH_TCP, `loadmodule "proto_tcp.so"')
IF(WITH_TLS, `loadmodule "proto_tls.so"
loadmodule "tls_openssl.so"
loadmodule "tls_mgm.so"
modparam("tls_mgm", "server_domain", "default")
modparam("tls_mgm", "certificate", "[default]/etc/residential/cert.pem")')
loadmodule "db_mysql.so"
loadmodule "usrloc.so"
modparam("usrloc", "nat_bflag", "NAT")
IF(WITH_LOCATION, `modparam("usrloc", "working_mode_preset", "single-instance-sql-write-back")
modparam("usrloc", "db_url", "DATABASE")', `modparam("usrloc", "working_mode_preset", "single-instance-no-db")')
loadmodule "registrar.so"
modparam("registrar", "tcp_persistent_flag", "TCP_PERSISTENT")
IF(WITH_NAT, `modparam("registrar", "received_avp", "$avp(received)")')
loadmodule "acc.so"
modparam("acc", "early_media", 0)
modparam("acc", "report_cancels", 0)
modparam("acc", "detect_direction", 0)
IF(WITH_ACCOUNTING, `modparam("acc", "db_url", "DATABASE")')
IF(WITH_PASSWORDS, `loadmodule "auth.so"
loadmodule "auth_db.so"
modparam("auth_db", "calculate_ha1", yes)
modparam("auth_db", "password_column", "password")
modparam("auth_db", "db_url", "DATABASE")
modparam("auth_db", "load_credentials", "")')
IF(WITH_ALIASES, `loadmodule "alias_db.so"
modparam("alias_db", "db_url", "DATABASE")')
IF(WITH_DOMAINS, `loadmodule "domain.so"
modparam("domain", "db_url", "DATABASE")
modparam("auth_db|usrloc", "use_domain", 1)')
IF(WITH_PRESENCE, `loadmodule "xcap.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("xcap|presence", "db_url", "DATABASE")
modparam("presence_xml", "force_active", 1)')
IF(WITH_DIALOGS, `loadmodule "dialog.so"
modparam("dialog", "db_mode", 2)
modparam("dialog", "db_url", "DATABASE")')
IF(WITH_NAT, `loadmodule "nathelper.so"
modparam("nathelper", "natping_interval", 10)
modparam("nathelper", "ping_nated_only", 1)
modparam("nathelper", "sipping_bflag", "PING")
modparam("nathelper", "sipping_from", "sip:pinger@ADDRESS")
modparam("nathelper", "received_avp", "$avp(received)")')
IF(WITH_MEDIA, `loadmodule "rtpproxy.so"
modparam("rtpproxy", "rtpproxy_sock", "udp:localhost:12221")')
IF(WITH_DIALPLAN, `loadmodule "dialplan.so"
modparam("dialplan", "db_url", "DATABASE")')
IF(WITH_ROUTING, `loadmodule "drouting.so"
modparam("drouting", "db_url", "DATABASE")')
IF(WITH_MANAGEMENT, `loadmodule "httpd.so"
modparam("httpd", "port", 8888)
loadmodule "mi_http.so"')

route {
    IF(WITH_NAT, `force_rport();
    if (nat_uac_test("diff-port-src-via,private-via,diff-ip-src-via,private-contact")) {
        if (is_method("REGISTER")) {
            fix_nated_register();
            setbflag("NAT");
        } else {
            fix_nated_contact();
            setflag("NAT");
        }
    }')
    if (!mf_process_maxfwd_header(10)) {
        send_reply(483, "Too Many Hops");
        exit;
    }
    if (has_totag()) {
        route(within_dialog);
        exit;
    }
    if (is_method("CANCEL")) {
        if (t_check_trans())
            t_relay();
        exit;
    }
    t_check_trans();

    if (!(is_method("REGISTER") IF(WITH_GATEWAY, `|| IF(WITH_ROUTING, `is_from_gw()', `$si == "GATEWAY"')'))) {
        route(who);
    }
    if (loose_route()) {
        xlog("L_ERR", "preloaded Route [$fu/$tu/$ru/$ci]");
        if (!is_method("ACK"))
            send_reply(403, "Preload Route denied");
        exit;
    }
    if (!is_method("REGISTER|MESSAGE"))
        record_route();
    if (is_method("INVITE")) {
        IF(WITH_DIALOGS, `if (!create_dialog("B")) {
            send_reply(500, "Internal Server Error");
            exit;
        }')
        do_accounting("KIND");
    }
    if (IF(WITH_DOMAINS, `!is_uri_host_local()', `!is_myself("$rd")')) {
        append_hf("P-hint: outbound\r\n");
        route(relay);
    }
    if (is_method("PUBLISH|SUBSCRIBE")) {
        IF(WITH_PRESENCE, `route(presence);', `send_reply(503, "Service Unavailable");')
        exit;
    }
    if (is_method("REGISTER")) {
        route(register);
        exit;
    }
    if ($rU == NULL) {
        send_reply(484, "Address Incomplete");
        exit;
    }
    IF(WITH_ALIASES, `alias_db_lookup("dbaliases");')
    IF(WITH_DIALPLAN, `dp_translate(0, "$rU", $rU);')
    IF(WITH_GATEWAY, `if ($rU =~ "^\+[1-9][0-9]+$") {
        IF(WITH_ROUTING, `strip(1);
        if (!do_routing(0)) {
            send_reply(500, "No Route found");
            exit;
        }', `$rd = "GATEWAY";
        $rp = 5060;')
        route(relay);
    }')
    if (!lookup("location", "method-filtering")) {
        IF(WITH_PASSWORDS, `if (!db_does_uri_exist("$ru", "subscriber")) {
            send_reply(420, "Bad Extension");
            exit;
        }')
        IF(WITH_VOICEMAIL, `$du = "VOICEMAIL";
        route(relay);', `t_reply(404, "Not Found");
        exit;')
    }
    IF(WITH_NAT, `if (isbflagset("NAT"))
        setflag("NAT");')
    do_accounting("KIND", "missed");
    route(relay);
}

route[within_dialog] {
    if (is_method("ACK") && t_check_trans()) {
        t_relay();
        exit;
    }
    if (!loose_route()) {
        IF(WITH_PRESENCE, `if (is_method("SUBSCRIBE") && is_myself("$rd")) {
            route(presence);
            exit;
        }')
        send_reply(404, "Not here");
        exit;
    }
    IF(WITH_DIALOGS, `if ($DLG_status != NULL && !validate_dialog())
        xlog("$rm from $si (callid=$ci) does not belong to its dialog\n");')
    if (is_method("BYE"))
        do_accounting("KIND", "failed");
    IF(WITH_NAT, `if (check_route_param("nat=yes"))
        setflag("NAT");')
    route(relay);
}

route[who] {
    if (IF(WITH_DOMAINS, `is_from_local()', `is_myself("$fd")')) {
        IF(WITH_PASSWORDS, `if (!proxy_authorize("", "subscriber")) {
            proxy_challenge("", "auth");
            exit;
        }
        if ($au != $fU) {
            send_reply(403, "Forbidden auth ID");
            exit;
        }
        consume_credentials();', `return;')
    } else if (IF(WITH_DOMAINS, `!is_uri_host_local()', `!is_myself("$rd")')) {
        send_reply(403, "Relay Forbidden");
        exit;
    }
}

route[register] {
    IF(WITH_PASSWORDS, `if (!www_authorize("", "subscriber")) {
        www_challenge("", "auth");
        exit;
    }
    if ($au != $tU) {
        send_reply(403, "Forbidden auth ID");
        exit;
    }')
    IF(WITH_TCP, `if ($socket_in(proto) == "tcp" IF(WITH_TLS, `|| $socket_in(proto) == "tls"'))
        setflag("TCP_PERSISTENT");')
    IF(WITH_NAT, `if (isflagset("NAT"))
        setbflag("PING");')
    if (!save("location"))
        xlog("failed to register AoR $tu\n");
}

route[relay] {
    if (is_method("INVITE")) {
        IF(WITH_MEDIA, `if (isflagset("NAT") && has_body("application/sdp"))
            rtpproxy_offer("ro");')
        t_on_branch("branch");
        t_on_reply("reply");
        t_on_failure("failure");
    }
    IF(WITH_NAT, `if (isflagset("NAT"))
        add_rr_param(";nat=yes");')
    if (!t_relay())
        send_reply(500, "Internal Error");
    exit;
}

IF(WITH_PRESENCE, `route[presence] {
    if (!t_newtran()) {
        sl_reply_error();
        exit;
    }
    if (is_method("PUBLISH"))
        handle_publish();
    else
        handle_subscribe();
}')

branch_route[branch] {
    xlog("new branch at $ru\n");
}

onreply_route[reply] {
    IF(WITH_NAT, `if (nat_uac_test("private-contact"))
        fix_nated_contact();')
    IF(WITH_MEDIA, `if (isflagset("NAT") && has_body("application/sdp"))
        rtpproxy_answer("ro");')
    xlog("incoming reply\n");
}

failure_route[failure] {
    if (t_was_cancelled())
        exit;
    IF(WITH_VOICEMAIL, `if (t_check_status("486|408")) {
        $du = "VOICEMAIL";
        route(relay);
    }')
}

IF(WITH_DIALOGS, `local_route {
    if (is_method("BYE") && $DLG_dir == "UPSTREAM")
        IF(WITH_ACCOUNTING, `acc_db_request("200 Dialog Timeout", "acc");', `acc_log_request("200 Dialog Timeout");')
}')
