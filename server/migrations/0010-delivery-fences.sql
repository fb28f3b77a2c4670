-- Every claim of a delivery has a number that no claim before it had, also when the delivery was gone in between: one
-- that is replayed begins anew, and a worker that is late with the old one must not be taken for the new one's. It
-- starts beyond what claims were numbered before, and over after two thousand million, when nobody is as late as that.
create sequence delivery_fences as integer start 1000000 minvalue 1000000 cycle;
