-- Who is in the cluster: two sites of one node each. The same rows on both: mysql opensips < clusterer-no-backups.sql

DELETE FROM clusterer WHERE cluster_id = 1;

INSERT INTO clusterer (id, cluster_id, node_id, url, state, no_ping_retries, priority, sip_addr, flags, description) VALUES
(NULL, 1, 1, 'bin:10.0.0.177', 1, 3, 50, '10.0.0.177', 'seed', NULL),
(NULL, 1, 3, 'bin:10.0.0.179', 1, 3, 50, '10.0.0.179', 'seed', NULL);
