/* The limit that any SNMP poller is held against: net-snmp's own C library, one session, GETs of 20 OIDs one after the
 * other, every value decoded to a number.
 *     snmp_get PORT COUNT OID...      exit status 0 when every answer held every value */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    char peer[64];
    long count = atol(argv[2]);
    double sum = 0;
    static oid names[128][MAX_OID_LEN];
    size_t lengths[128];
    if (argc - 3 > 128) return 2;
    setenv("MIBS", "", 1);
    init_snmp("snmp_get");
    netsnmp_session wish, *session;
    snmp_sess_init(&wish);
    snprintf(peer, sizeof peer, "udp:127.0.0.1:%s", argv[1]);
    wish.peername = peer;
    wish.version = SNMP_VERSION_2c;
    wish.community = (u_char *)"public";
    wish.community_len = 6;
    if (!(session = snmp_open(&wish))) return 2;
    for (int a = 3; a < argc; a++) {
        lengths[a - 3] = MAX_OID_LEN;
        if (!read_objid(argv[a], names[a - 3], &lengths[a - 3])) return 2;
    }
    for (long i = 0; i < count; i++) {
        netsnmp_pdu *ask = snmp_pdu_create(SNMP_MSG_GET), *answer = NULL;
        for (int a = 0; a < argc - 3; a++) snmp_add_null_var(ask, names[a], lengths[a]);
        if (snmp_synch_response(session, ask, &answer) != STAT_SUCCESS || answer->errstat) return 1;
        int values = 0;
        for (netsnmp_variable_list *v = answer->variables; v; v = v->next_variable, values++) sum += *v->val.integer;
        if (values != argc - 3) return 1;
        snmp_free_pdu(answer);
    }
    snmp_close(session);
    return sum < 0;
}
