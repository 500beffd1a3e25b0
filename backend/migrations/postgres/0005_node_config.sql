CREATE TABLE node_config (
    node text COLLATE "C" PRIMARY KEY,
    doc  text COLLATE "C" NOT NULL
);
