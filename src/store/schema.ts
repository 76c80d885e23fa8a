/**
 * The database's shape, as migrations: entry N takes version N to N+1 (`PRAGMA
 * user_version`). Entries never change once released; a new version appends one.
 * Times are milliseconds since 1970, sizes bytes.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE layers (
    diff_id TEXT PRIMARY KEY,
    size INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE images (
    id TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE image_layers (
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL REFERENCES layers (diff_id),
    PRIMARY KEY (image_id, position)
  ) STRICT;
  CREATE INDEX image_layers_by_diff_id ON image_layers (diff_id);

  CREATE TABLE image_names (
    name TEXT PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX image_names_by_image ON image_names (image_id);

  CREATE TABLE containers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    image_id TEXT REFERENCES images (id),
    config TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    auto_remove INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('created', 'starting', 'running', 'paused', 'exited', 'removing')),
    boot_id TEXT,
    owner_pid INTEGER,
    owner_start INTEGER,
    pid INTEGER,
    pid_start INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    exit_code INTEGER NOT NULL DEFAULT 0,
    oom_killed INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
  ) STRICT;
  CREATE INDEX containers_by_image ON containers (image_id);

  -- How containers ended that are gone by now, for whoever was waiting; the last thousand.
  CREATE TABLE exits (
    container_id TEXT PRIMARY KEY,
    exit_code INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE volumes (
    name TEXT PRIMARY KEY,
    anonymous INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE container_volumes (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes (name),
    PRIMARY KEY (container_id, volume)
  ) STRICT;
  CREATE INDEX container_volumes_by_volume ON container_volumes (volume);
  `,
  `
  -- Bytes as they came from outside, by their digest: layers, compressed or not, and manifests.
  CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL
  ) STRICT;

  -- In which blobs a layer's tar is there.
  CREATE TABLE layer_blobs (
    diff_id TEXT NOT NULL REFERENCES layers (diff_id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (diff_id, digest)
  ) STRICT;
  CREATE INDEX layer_blobs_by_digest ON layer_blobs (digest);

  -- Under which digest of which repository an image is known.
  CREATE TABLE image_digests (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
  ) STRICT;
  CREATE INDEX image_digests_by_image ON image_digests (image_id);
  `,
  `
  -- Layers that a process reads just now; they stay while it lives, whoever removes their images.
  CREATE TABLE leases (
    diff_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_start INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    PRIMARY KEY (diff_id, pid, pid_start)
  ) STRICT;
  `,
  `
  CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    config TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  -- What a container is connected to; it has an address while it runs.
  CREATE TABLE endpoints (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network_id TEXT NOT NULL REFERENCES networks (id),
    position INTEGER NOT NULL,
    config TEXT NOT NULL,
    address TEXT,
    mac TEXT,
    PRIMARY KEY (container_id, network_id)
  ) STRICT;
  CREATE UNIQUE INDEX endpoints_by_address ON endpoints (network_id, address) WHERE address IS NOT NULL;

  -- Ports of the host that lead to containers that run. host_ip 0.0.0.0 stands for all addresses.
  CREATE TABLE published_ports (
    protocol TEXT NOT NULL,
    host_ip TEXT NOT NULL,
    host_port INTEGER NOT NULL,
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    container_ip TEXT NOT NULL,
    container_port INTEGER NOT NULL,
    PRIMARY KEY (protocol, host_port, host_ip)
  ) STRICT;
  CREATE INDEX published_ports_by_container ON published_ports (container_id);
  `,
  `
  ALTER TABLE endpoints ADD COLUMN address6 TEXT;
  CREATE UNIQUE INDEX endpoints_by_address6 ON endpoints (network_id, address6) WHERE address6 IS NOT NULL;

  -- Networks that containers were to be on when they were removed.
  CREATE TABLE lost_endpoints (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    config TEXT NOT NULL,
    PRIMARY KEY (container_id, network)
  ) STRICT;
  `,
  `
  -- Ranges of the host's ids that containers with user namespaces of their own have to themselves.
  CREATE TABLE id_ranges (
    container_id TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    first INTEGER NOT NULL,
    size INTEGER NOT NULL
  ) STRICT;
  `,
  `
  -- Labels and the driver's options, as JSON.
  ALTER TABLE volumes ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE volumes ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
  `,
  `
  -- How often a container was started again, how long is waited before the next time, whether that is under way,
  -- and whether somebody wanted its end.
  ALTER TABLE containers ADD COLUMN restart_count INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE containers ADD COLUMN restart_delay INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE containers ADD COLUMN restarting INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE containers ADD COLUMN stop_requested INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- What the probes of a container that runs found; the last few as JSON.
  CREATE TABLE health (
    container_id TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    failing_streak INTEGER NOT NULL,
    log TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- When a container got another monitor because its own was killed.
  ALTER TABLE containers ADD COLUMN taken_over_at INTEGER;

  -- What happened, the last of it; attributes as JSON, time in microseconds since 1970.
  CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    attributes TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- Containers that share namespaces, those of the infra container.
  CREATE TABLE pods (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    config TEXT NOT NULL,
    infra_id TEXT,
    created_at INTEGER NOT NULL
  ) STRICT;
  ALTER TABLE containers ADD COLUMN pod_id TEXT REFERENCES pods (id);
  CREATE INDEX containers_by_pod ON containers (pod_id);
  `,
  `
  -- What a step of a build made, by a digest of all that went into it; without names such an image is cache.
  ALTER TABLE images ADD COLUMN build_key TEXT;
  CREATE INDEX images_by_build_key ON images (build_key);

  -- Containers that stand still while a process reads their files: if it is killed, somebody else lets them go on.
  CREATE TABLE freezes (
    container_id TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    pid INTEGER NOT NULL,
    pid_start INTEGER NOT NULL,
    boot_id TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- IPv4 addresses as numbers, to look for one between them.
  ALTER TABLE endpoints ADD COLUMN number INTEGER;
  UPDATE endpoints SET number = (
    SELECT (json_extract(bytes, '$[0]') << 24) + (json_extract(bytes, '$[1]') << 16) + (json_extract(bytes, '$[2]') << 8) + json_extract(bytes, '$[3]')
    FROM (SELECT '[' || replace(address, '.', ',') || ']' AS bytes)
  ) WHERE address IS NOT NULL;
  CREATE INDEX endpoints_by_number ON endpoints (network_id, number) WHERE number IS NOT NULL;
  `,
];
