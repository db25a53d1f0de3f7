/*---
report: Which images run
description: "Images whose name contains a text, with the number of their containers in pods that have not ended, and of clusters: shows where a bad version runs."
parameters:
- {name: image, type: text, default: '', help: Part of the image's name; empty = all.}
- {name: rows, type: integer, default: '100', help: How many.}
---*/
select image, count(*) as containers, count(distinct (datacenter, cluster)) as clusters, count(distinct image_digest) as digests
from container
where image like '%' || :'image' || '%'
  and lives
group by image
order by containers desc
limit :'rows'::integer
