CREATE TABLE network_project (
    id TEXT PRIMARY KEY,
    uses BIGINT NOT NULL,
    default_group_id TEXT
);
CREATE TABLE network_network (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    admin_up BIGINT NOT NULL,
    shared BIGINT NOT NULL,
    external BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    port_security BIGINT NOT NULL,
    mtu BIGINT NOT NULL,
    dns_domain TEXT NOT NULL,
    segment_kind TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    segmentation_id BIGINT NOT NULL,
    allocations BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (segment_kind, physical_network, segmentation_id)
);
CREATE INDEX network_network_project ON network_network (project_id);
CREATE TABLE network_subnet (
    id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES network_network (id),
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    cidr TEXT NOT NULL,
    gateway_ip TEXT,
    enable_dhcp BIGINT NOT NULL,
    dns_nameservers TEXT NOT NULL,
    host_routes TEXT NOT NULL,
    allocation_pools TEXT NOT NULL,
    ipv6_address_mode TEXT,
    ipv6_ra_mode TEXT,
    service_types TEXT NOT NULL,
    dns_publish_fixed_ip BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX network_subnet_network ON network_subnet (network_id);
CREATE INDEX network_subnet_project ON network_subnet (project_id);
CREATE TABLE network_port (
    id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES network_network (id),
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    mac TEXT NOT NULL,
    admin_up BIGINT NOT NULL,
    status TEXT NOT NULL,
    device_id TEXT NOT NULL,
    device_owner TEXT NOT NULL,
    hostname TEXT NOT NULL,
    host_id TEXT,
    vnic_type TEXT NOT NULL,
    profile TEXT NOT NULL,
    port_security BIGINT NOT NULL,
    address_pairs TEXT NOT NULL,
    dhcp_options TEXT NOT NULL,
    dns_name TEXT NOT NULL,
    position BIGINT NOT NULL,
    made_for_server BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (network_id, mac)
);
CREATE INDEX network_port_device ON network_port (device_id);
CREATE INDEX network_port_host ON network_port (host_id);
CREATE INDEX network_port_project ON network_port (project_id);
CREATE TABLE network_address (
    subnet_id TEXT NOT NULL REFERENCES network_subnet (id),
    address TEXT NOT NULL,
    port_id TEXT NOT NULL REFERENCES network_port (id),
    position BIGINT NOT NULL,
    PRIMARY KEY (subnet_id, address)
);
CREATE INDEX network_address_port ON network_address (port_id);
CREATE TABLE network_security_group (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    stateful BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX network_security_group_project ON network_security_group (project_id);
CREATE TABLE network_security_group_rule (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES network_security_group (id),
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    direction TEXT NOT NULL,
    ethertype TEXT NOT NULL,
    protocol TEXT,
    port_min BIGINT,
    port_max BIGINT,
    remote_prefix TEXT,
    remote_group_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX network_security_group_rule_group ON network_security_group_rule (group_id);
CREATE INDEX network_security_group_rule_remote ON network_security_group_rule (remote_group_id);
CREATE TABLE network_port_group (
    port_id TEXT NOT NULL REFERENCES network_port (id),
    group_id TEXT NOT NULL REFERENCES network_security_group (id),
    PRIMARY KEY (port_id, group_id)
);
CREATE INDEX network_port_group_group ON network_port_group (group_id);
CREATE TABLE network_router (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    admin_up BIGINT NOT NULL,
    enable_snat BIGINT NOT NULL,
    routes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX network_router_project ON network_router (project_id);
CREATE TABLE network_floating_ip (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES network_network (id),
    outer_port_id TEXT NOT NULL REFERENCES network_port (id),
    address TEXT NOT NULL,
    port_id TEXT REFERENCES network_port (id),
    fixed_address TEXT,
    router_id TEXT REFERENCES network_router (id),
    status TEXT NOT NULL,
    dns_name TEXT NOT NULL,
    dns_domain TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    UNIQUE (port_id, fixed_address, network_id)
);
CREATE INDEX network_floating_ip_project ON network_floating_ip (project_id);
CREATE INDEX network_floating_ip_router ON network_floating_ip (router_id);
CREATE INDEX network_floating_ip_address ON network_floating_ip (address);
CREATE INDEX network_floating_ip_outer_port ON network_floating_ip (outer_port_id);
CREATE TABLE network_quota (
    project_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    most BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);
