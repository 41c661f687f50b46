-- Who is in the cluster: two sites, each an active node and its backup behind one virtual IP (sip_addr).
-- The same rows on every node: mysql opensips < clusterer.sql
-- Only "seed" makes a seed; on the backups flags is the text 'NULL', which is none, as NULL would be.

DELETE FROM clusterer WHERE cluster_id = 1;

INSERT INTO clusterer (id, cluster_id, node_id, url, state, no_ping_retries, priority, sip_addr, flags, description) VALUES
(NULL, 1, 1, 'bin:10.0.0.177', 1, 3, 50, '10.0.0.223', 'seed', NULL),
(NULL, 1, 2, 'bin:10.0.0.178', 1, 3, 50, '10.0.0.223', 'NULL', NULL),
(NULL, 1, 3, 'bin:10.0.0.179', 1, 3, 50, '10.0.0.224', 'seed', NULL),
(NULL, 1, 4, 'bin:10.0.0.180', 1, 3, 50, '10.0.0.224', 'NULL', NULL);
