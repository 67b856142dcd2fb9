/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Never loaded: read by generate_layout.py. The compiler keeps a type in BTF only where something
 * uses it, and an enum that no program happens to name as a type would be lost; one pointer to
 * each keeps it.
 */
#include "../bpf/config.h"
#include "../bpf/maps.h"

enum reserved_identity *reserved_identity;
enum drop_reason *drop_reason;
enum attach_point *attach_point;
enum interface_flag *interface_flag;
enum endpoint_flag *endpoint_flag;
enum ipcache_flag *ipcache_flag;
enum tuple_direction *tuple_direction;
enum connection_flag *connection_flag;
enum masquerade_action *masquerade_action;
enum masquerade_bound *masquerade_bound;
enum masquerade_rule_flag *masquerade_rule_flag;
enum masquerade_generation_flag *masquerade_generation_flag;
enum connection_phase *connection_phase;
enum connection_owner_number *connection_owner_number;
enum sweep_flag *sweep_flag;
enum decision_step *decision_step;
struct sweep *sweep;
struct adoption *adoption;
struct tally *tally;
enum snat_port *snat_port;
enum node_port *node_port;
enum maglev_default *maglev_default;
enum service_program *service_program;
enum frontend_type *frontend_type;
enum frontend_flag *frontend_flag;
enum frontend_scope *frontend_scope;
enum service_flag *service_flag;
enum maglev_bound *maglev_bound;
enum socket_peer_bound *socket_peer_bound;
enum event_kind *event_kind;
enum trace_point *trace_point;
enum socket_point *socket_point;
enum trace_reason *trace_reason;
enum event_flag *event_flag;
enum source_file *source_file;
enum event_wanted_flag *event_wanted_flag;
enum aggregation_level *aggregation_level;
struct event *event;
