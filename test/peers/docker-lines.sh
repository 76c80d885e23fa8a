# Command lines as CI scripts and people write them for docker, one a line, run in this order
# with docker and with berth by the name of docker, each in an empty folder of its own. What docker 20.10
# and later ones do not agree on is left out.
docker run --rm bb echo hello
docker run --rm --network none bb echo hello
docker run --rm bb sh -c 'exit 3'
docker run --rm bb nosuchcommand 2>/dev/null
docker run --rm bb /etc/passwd 2>/dev/null
docker run --nosuchflag bb true 2>/dev/null
docker run --rm -i bb cat <<< "from stdin"
echo piped | docker run --rm -i bb tr a-z A-Z
docker run --rm -e A=B -eC=D --env E=F bb sh -c 'echo $A$C$E'
A=fromhost docker run --rm -e A bb sh -c 'echo $A'
printf 'X=1\n# comment\nY=two words\n' > envfile; docker run --rm --env-file envfile bb sh -c 'echo $X $Y'
docker run --rm -w /tmp bb pwd
docker run --rm --workdir=/data bb pwd
docker run --rm -u 1000:50 bb id
docker run --rm -u user bb id -un
docker run --rm --user=1234 bb id -u
docker run --rm -h box bb hostname
docker run --rm --hostname box --domainname example.com bb cat /etc/hostname
docker run --rm --entrypoint /bin/echo bb from entrypoint
docker run --rm --entrypoint= bb echo none
docker run --rm --read-only bb touch /x 2>/dev/null
docker run --rm --read-only --tmpfs /tmp bb touch /tmp/x
docker run --rm -v "$PWD:/work" -w /work bb sh -c 'echo made > made' && cat made
docker run --rm -v "$PWD":/work:ro bb touch /work/no 2>/dev/null
docker run --rm --mount type=bind,src="$PWD",dst=/work,readonly bb cat /work/made
docker run --rm --mount type=tmpfs,dst=/t bb sh -c 'mount | grep -c " /t "'
docker run --rm -m 64m --network none bb true && echo limited
docker run --rm --cpus=0.5 --memory 64m --pids-limit=50 bb echo limits
docker run --rm --cap-drop ALL bb sh -c 'grep CapEff /proc/self/status'
docker run --rm --cap-drop=ALL --cap-add=NET_BIND_SERVICE bb grep CapEff /proc/self/status
docker run --rm bb grep -E 'Cap(Eff|Bnd)|NoNewPrivs|Seccomp:' /proc/self/status
docker run --rm --security-opt no-new-privileges bb grep NoNewPrivs /proc/self/status
docker run --rm --ulimit nofile=512:512 bb sh -c 'ulimit -n'
docker run --rm --shm-size 32m bb sh -c 'df -m /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'
docker run --rm --sysctl net.ipv4.ip_forward=1 bb cat /proc/sys/net/ipv4/ip_forward
docker run --rm --add-host db:10.0.0.5 bb grep db /etc/hosts
docker run --rm --dns 10.9.9.9 --dns-search example.com bb cat /etc/resolv.conf | grep -E '^(nameserver|search)' | sort
docker run --rm --init bb sh -c 'cat /proc/1/cmdline | tr "\0" " " | grep -c init'
docker run --rm -t bb tty
docker run --rm --label a=b --label-file /dev/null bb true
docker run -d --name web --label app=web --label tier=front -e MODE=ci -p 8081:80 bb sh -c 'echo started; exec sleep 1000' | wc -c
docker run -d --name db --label app=db -v dbdata:/var/db --restart unless-stopped bb sleep 1000 | tr -d '0-9a-f\n' | wc -c
docker run -itd --name shell bb sh > /dev/null; docker inspect -f '{{.Config.Tty}} {{.Config.OpenStdin}} {{.State.Running}}' shell
docker run -d --name web bb true 2>/dev/null
docker create --name made --env K=V bb echo created > /dev/null; docker start -a made
docker start made
docker wait made
docker logs made
docker ps --format '{{.Names}}'
docker ps -a --format '{{.Names}}\t{{.Image}}\t{{.Command}}'
docker ps -a --format 'table {{.Names}}\t{{.Image}}'
docker ps --format '{{.Names}}: {{.Ports}}' | sort
docker ps -a --format '{{.Names}} {{.State}}' | sort
docker ps -aq | wc -l
docker ps -q --no-trunc | head -1 | tr -d '\n' | wc -c
docker ps -a --filter status=exited --format '{{.Names}}'
docker ps -a -f name=we --format '{{.Names}}'
docker ps -f label=app=web -f status=running --format '{{.Names}}'
docker ps -a --filter 'label=app' --format '{{.Names}}' | sort
docker ps -a --filter ancestor=bb --format '{{.Names}}' | sort
docker ps -a --filter exited=0 --format '{{.Names}}'
docker ps -f volume=dbdata --format '{{.Names}}'
docker ps -n 1 --format '{{.Names}}'
docker ps -l --format '{{.Names}}'
docker ps --format json | jq -r .Names | sort
docker ps -a --format '{{json .}}' | jq -r 'select(.State=="exited") | .Names'
docker ps --format '{{.Label "app"}}' | sort
docker ps --format '{{if eq .Names "web"}}it is web{{else}}other{{end}}' | sort
docker ps --format '{{.Names | upper}} {{.Image | printf "%-10s|"}}' | sort
docker inspect -f '{{slice .Name 1 3}}' web
docker ps --format '{{.Nope}}' 2>/dev/null
docker ps -f bogus=1 2>/dev/null
docker ps --filter status=nope 2>/dev/null
docker ps | head -1 | tr -s ' '
docker ps -a | awk 'NR>1 {print $NF}' | sort
docker ps -a --no-trunc --format '{{.Command}}' | sort
docker container ls -a --format '{{.Names}}' | sort
docker inspect web | jq -r '.[0].Name, .[0].State.Status, .[0].Config.Labels.app, .[0].Config.Env[0]'
docker inspect web | jq -r '.[0] | keys[]'
docker inspect web | jq -r '.[0].State | keys[]'
docker inspect web | jq -r '.[0].Config | keys[]'
docker inspect web | jq -r '.[0].HostConfig | keys - ["KernelMemory", "KernelMemoryTCP"] | .[]'
docker inspect web | jq -r '.[0].NetworkSettings | keys[]'
docker inspect web | jq -r '.[0].NetworkSettings.Networks.bridge | keys - ["DNSNames", "GwPriority"] | .[]'
docker inspect web | jq -c '.[0].HostConfig.PortBindings, .[0].NetworkSettings.Ports'
docker inspect db | jq -c '.[0].Mounts[0] | [.Type, .Name, .Destination, .Driver, .Mode, .RW, .Propagation]'
docker inspect --format '{{.State.Status}}' web
docker inspect -f '{{.Config.Image}} {{.Path}} {{.Args}}' web
docker inspect -f '{{json .Config.Cmd}}' web
docker inspect -f '{{json .HostConfig.RestartPolicy}}' db
docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' web
docker inspect -f '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}' web
docker inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}' db
docker inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}' web
docker inspect -f '{{index .Config.Labels "tier"}}' web
docker inspect -f '{{.NetworkSettings.IPAddress}}' web
docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web
docker inspect -f '{{len .Config.Env}}' web
docker inspect -f '{{if .State.Running}}up{{else}}down{{end}}' web made
docker inspect -f '{{.Name}}{{"\n"}}{{with .State}}{{.ExitCode}}{{end}}' made
docker inspect -f '{{.State.Health}}' web
docker inspect -f '{{.Nope}}' web 2>/dev/null
docker inspect -f '{{.HostConfig.PidMode}} {{.HostConfig.Memory}} {{.HostConfig.Privileged}} {{.HostConfig.AutoRemove}}' web
docker inspect -f '{{printf "%s-%d" .Name .RestartCount}}' web
docker inspect -f '{{join .Config.Cmd ","}} {{lower "ABC"}} {{title "abc"}} {{split "a-b" "-"}}' web
docker inspect -f '{{and .State.Running (eq .Name "/web")}} {{or .State.Paused "no"}} {{not .State.Running}}' web
docker inspect --type container web | jq length
docker inspect nosuchthing 2>/dev/null
docker inspect nosuchthing web 2>/dev/null | jq length
docker container inspect web --format '{{.Id}}' | tr -d '\n' | wc -c
docker exec web echo in the container
docker exec -e X=1 web sh -c 'echo $X'
docker exec -w /tmp web pwd
docker exec -u 1000 web id -u
docker exec web sh -c 'exit 7'
docker exec web nosuchcommand > /dev/null 2>&1 || echo failed
docker exec nosuch true 2>/dev/null
docker exec made true 2>/dev/null
echo data | docker exec -i web cat
docker exec -d web touch /touched; sleep 0.3; docker exec web ls /touched
docker exec -it web true 2>/dev/null
docker logs web
docker logs --tail 1 web
docker logs -t web | cut -dT -f1 | tr -d '0-9'
docker logs --since 1h web
docker logs nosuch 2>/dev/null
docker top web | head -1
docker top web -o pid,cmd | tail -1 | tr -s ' ' | cut -d' ' -f2-
docker port web
docker port web 80
docker port web 80/tcp
docker port web 81 2>/dev/null
docker cp web:/etc/passwd . && head -1 passwd
echo new > file; docker cp file web:/tmp/ && docker exec web cat /tmp/file
docker cp web:/etc - | tar t | head -2
tar c file | docker cp - web:/home && docker exec web ls /home/file
docker cp web:/nosuch . 2>/dev/null
docker diff web | sort
docker stats --no-stream --format '{{.Name}}' | sort
docker stats --no-stream --format '{{.Name}} {{.Container}}' web
docker rename web www && docker ps -f name=www --format '{{.Names}}'
docker rename www web
docker rename nosuch x 2>/dev/null
docker rename web db 2>/dev/null
docker pause web && docker ps -f name=web --format '{{.State}}' && docker unpause web
docker unpause web 2>/dev/null
docker update --memory 100m --memory-swap 200m web && docker inspect -f '{{.HostConfig.Memory}}' web
docker stop -t 0 web
docker stop web
docker start web
docker restart -t 0 web
docker kill web
docker kill web 2>/dev/null
docker kill -s NOPE db 2>/dev/null
docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' web
docker ps -a -f name=web --format '{{.Status}}' | cut -d' ' -f1,2
docker commit -m 'a change' -a me -c 'ENV Z=1' -c 'CMD ["echo","committed"]' web snapshot:v1 | cut -c1-7
docker run --rm snapshot:v1
docker inspect -f '{{.Config.Env}} {{.Config.Cmd}} {{.Author}} {{.Comment}}' snapshot:v1
docker history --format '{{.Comment}}' snapshot:v1
docker history -q snapshot:v1 | wc -l
docker images --format '{{.Repository}}:{{.Tag}}' | sort
docker images -q bb | wc -l
docker images bb --format '{{.Tag}}'
docker images --filter reference='snap*' --format '{{.Repository}}'
docker images --filter dangling=true -q
docker images | head -1 | tr -s ' '
docker image ls --format '{{.ID}}' --no-trunc bb | cut -c1-7
docker images --format json bb | jq -r '.Repository, .Tag'
docker tag bb bb:other && docker images -q bb | sort -u | wc -l
docker tag nosuch x 2>/dev/null
docker image inspect bb | jq -r '.[0] | keys - ["Container", "ContainerConfig", "VirtualSize"] | .[]'
docker image inspect bb -f '{{.Os}}/{{.Architecture}} {{.RootFS.Type}} {{len .RootFS.Layers}}'
docker image inspect -f '{{.RepoTags}}' bb
docker image inspect nosuch 2>/dev/null
docker save bb:other -o saved.tar && tar tf saved.tar | grep -c manifest.json
docker rmi bb:other
docker load -q -i saved.tar
docker load < saved.tar
docker rmi nosuch 2>/dev/null
docker rmi bb:other nosuch 2>/dev/null
docker export db | tar t | grep -E '^(etc/passwd|bin/busybox)$' | sort
docker export db | docker import -c 'CMD ["echo","flat"]' - flat:v1 | cut -c1-7; docker run --rm flat:v1
docker import nosuch.tar x 2>/dev/null
docker pull --nosuch 2>/dev/null
docker volume create named
docker volume create | tr -d '\n' | wc -c
docker volume ls -q -f name=named
docker volume ls -f dangling=false --format '{{.Name}} {{.Driver}}'
docker volume inspect named | jq -r '.[0] | keys[]'
docker volume inspect named -f '{{.Name}} {{.Driver}} {{.Scope}}'
docker volume inspect nosuch 2>/dev/null
docker volume rm dbdata 2>/dev/null
docker volume rm named
docker volume ls | head -1 | tr -s ' '
docker run --rm -v scratch:/s bb sh -c 'echo kept > /s/f' && docker run --rm -v scratch:/s bb cat /s/f && docker volume rm scratch
docker network create --subnet 10.123.0.0/24 --label x=y net1 | tr -d '\n' | wc -c
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}' | sort
docker network ls -q -f name=net1 | tr -d '\n' | wc -c
docker network inspect net1 | jq -c '.[0].IPAM.Config[].Subnet'
docker network inspect net1 -f '{{.Name}} {{.Driver}} {{.Internal}} {{json .Labels}}'
docker network inspect net1 | jq -r '.[0] | keys - ["EnableIPv4"] | .[]'
docker run -d --name n1 --network net1 --ip 10.123.0.9 --network-alias other bb sleep 1000 > /dev/null; docker run --rm --network net1 bb sh -c 'nslookup n1 | grep -c 10.123.0.9; nslookup other | grep -c 10.123.0.9'
docker network connect net1 db && docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}' db
docker network disconnect net1 db && docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}' db
docker network rm net1 2>/dev/null
docker rm -f n1 && docker network rm net1
docker network create net1 2>/dev/null | wc -c; docker network create net1 2>/dev/null
docker network prune -f
docker network inspect bridge -f '{{.Name}} {{.Driver}}'
docker run -d --name hc --health-cmd 'test -e /ok' --health-interval 200ms --health-retries 1 bb sleep 1000 > /dev/null; sleep 1.5; docker inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' hc | cut -d' ' -f1; docker exec hc touch /ok; sleep 1; docker ps -f health=healthy --format '{{.Names}} {{.Status}}' | grep -o 'hc.*(healthy)' | cut -d' ' -f1
docker inspect -f '{{json .Config.Healthcheck.Test}}' hc
docker events --since 1h --until 0s --filter container=made --format '{{.Action}}' | sort -u
docker events --since 1h --until 0s --filter event=die --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}' | grep made | sort -u
docker wait nosuch 2>/dev/null
docker run -d --name quick bb sh -c 'sleep 0.5; exit 4' > /dev/null; docker wait quick
docker run --name kept bb true; docker rm kept
docker rm nosuch 2>/dev/null
docker rm -f nosuch 2>/dev/null
docker rm db 2>/dev/null
docker rm made nosuch 2>/dev/null
docker rm -fv db
docker rm $(docker ps -aq -f status=exited) | wc -l
docker ps -aq | xargs docker rm -f | wc -l
docker container prune -f | head -1
docker volume prune -f | tail -1 | cut -d: -f1
docker image prune -f | tail -1 | cut -d: -f1
docker rmi -f snapshot:v1 flat:v1 | grep -c Untagged
docker system df --format '{{.Type}}'
docker system df | head -1 | tr -s ' '
docker system prune -f | tail -1 | cut -d: -f1
docker version --format '{{.Client.Os}}/{{.Client.Arch}}'
docker version -f '{{.Server.Os}}'
docker info --format '{{.OSType}} {{.Architecture}} {{.Containers}}'
docker info -f '{{json .}}' | jq -r .OSType
docker --version | cut -d' ' -f2
docker ps -a --format '{{.Names}}' | wc -l
docker nosuchcommand 2>/dev/null
docker rm 2>/dev/null
docker ps extra 2>/dev/null
docker run 2>/dev/null
docker run --rm nosuchimage:never --pull never 2>/dev/null
docker run --rm --pull=never nosuchimage true 2>/dev/null
docker run -p 99999:80 bb true 2>/dev/null
docker run -v /nosuch/../x:y bb true 2>/dev/null
docker run --memory 1k bb true 2>/dev/null
docker run --rm --name 'bad name' bb true 2>/dev/null
docker run --rm --network nosuchnet bb true 2>/dev/null
docker run --rm -e =x bb true 2>/dev/null
docker run -it --rm bb true < /dev/null 2>/dev/null
docker exec 2>/dev/null
docker logs 2>/dev/null
docker run --rm=true --init=false --tty=false bb echo booleans
docker run --rm -itp 8090:80 bb true 2>/dev/null
docker run --rm -- bb echo dashes
docker run --rm bb -- 2>/dev/null
docker run --rm bb echo --rm -it
docker run --rm --cidfile cid bb true; wc -c < cid; docker run --rm --cidfile cid bb true 2>/dev/null
docker run --rm --platform linux/amd64 bb echo platform
docker run --rm --stop-signal SIGINT --stop-timeout 1 bb echo stop
docker run --rm --log-driver none bb echo nolog
docker run --rm --log-opt max-size=1m --log-opt max-file=2 bb echo logopts
docker run --rm --tmpfs /t:size=1m,mode=700 bb stat -c %a /t
docker run --rm --device /dev/null:/dev/mynull bb ls /dev/mynull
docker run --rm --device /dev/nosuch bb true 2>/dev/null || echo refused
docker run --rm --group-add 50 bb id -G
docker run --rm --pid host bb sh -c 'test $(ls -d /proc/[0-9]* | wc -l) -gt 3 && echo many'
docker run --rm --ipc host bb echo ipc
docker run --rm --uts host bb hostname
docker run --rm --privileged bb true 2>/dev/null; echo tried
docker run --rm --expose 80 -P bb echo exposed
docker run -d --name web bb sleep 1000 > /dev/null; docker run -d --name api -e TOKEN=x --label app=api bb sleep 1000 > /dev/null
docker ps -q | xargs -n1 docker inspect -f '{{.Name}}' | sort
docker inspect $(docker ps -q) | jq -r '.[].Name' | sort
docker ps --format '{{.ID}} {{.Names}}' | while read id name; do docker inspect -f '{{.Name}}' $id; done | sort
docker ps --format '{{.Names}}' | grep -w api
docker ps --format 'table {{.Names}}\t{{.State}}' | tail -n +2 | sort
docker ps --format '{{printf "%s is %s" .Names .State}}' | sort
docker ps --format '{{with .Names}}[{{.}}]{{end}}' | sort
docker ps --format '{{- .Names -}}' | sort
docker ps --format '{{/* a comment */}}{{.Names}}' | sort
docker ps --format '{{if and (eq .State "running") (ne .Names "web")}}{{.Names}}{{end}}' | grep .
docker ps --format '{{$n := .Names}}{{$n}}/{{len $n}}' | sort
docker ps --format '{{title .State}} {{truncate .Names 2}} {{pad .Names 1 1}}|' | sort
docker ps --format '{{join (split .Names "a") "-"}}' | sort
docker ps --format '{{.Names}' 2>/dev/null
docker ps --format '{{nosuchfunction .Names}}' 2>/dev/null
docker ps --format '{{if .Names}}' 2>/dev/null
docker ps --format 'plain' | sort -u
docker inspect -f '{{json .State.Running}} {{json .Config.Entrypoint}} {{json .HostConfig.Binds}}' web
docker inspect -f '{{.HostConfig.Binds}} {{.Config.Entrypoint}} {{.HostConfig.CapAdd}} {{.HostConfig.PortBindings}} {{.Config.Volumes}}' web
docker inspect -f '{{len .HostConfig.Binds}} {{len .Mounts}} {{range .Mounts}}x{{else}}no mounts{{end}}' web
docker inspect -f '{{index .Config.Labels "app"}}|{{index .Config.Labels "nosuch"}}|{{.Config.Labels.nosuch}}' api
docker inspect -f '{{range $i, $e := .Config.Cmd}}{{if $i}}, {{end}}{{$i}}:{{$e}}{{end}}' api
docker inspect -f '{{range .Config.Env}}{{if eq (slice . 0 5) "TOKEN"}}{{.}}{{end}}{{end}}' api
docker inspect -f '{{range $p, $b := .NetworkSettings.Ports}}{{$p}} {{end}}none' api
docker inspect -f '{{.State.Pid | printf "%05d" | len}}' api
docker inspect -f '{{gt .State.Pid 0}} {{lt .State.Pid 1}} {{le .RestartCount 0}} {{ge .State.ExitCode 0}}' api
docker inspect -f '{{.State.Status | upper | printf "%-10s|%q" "x"}}' api
docker inspect -f '{{not (eq .State.Status "exited" "dead")}}' api
docker inspect -f "{{println .Name .Driver}}" api | head -1
docker inspect -f '{{index .NetworkSettings.Networks "bridge" | json}}' api | jq -r .MacAddress | cut -c1-5
docker inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' api
docker inspect -f '{{index .Config.Cmd 5}}' api 2>/dev/null
docker inspect -f '{{.State.Health.Status}}' api 2>/dev/null
docker inspect -f '{{.Config.Image}}{{"\t"}}{{.Name}}' api
docker inspect -f 'a\tb' api
docker inspect -s api | jq '.[0].SizeRw'
docker inspect --size -f '{{.SizeRw}}' api
docker exec api sh -c 'for i in 1 2 3; do echo $i; done' | tail -1
docker exec api env | grep -E '^(TOKEN|PATH|HOME|HOSTNAME)=' | cut -d= -f1 | sort
docker exec --env-file <(echo FROM=file) api sh -c 'echo $FROM'
docker exec --user user --workdir /home api sh -c 'id -un; pwd'
docker exec -t api tty
docker exec api sh -c 'echo out; echo err >&2' 2>/dev/null
docker exec api sh -c 'echo out; echo err >&2' 2>&1 >/dev/null
docker exec api sh -c 'kill -9 $$'
docker run --rm bb sh -c 'kill -9 $$'
docker run --rm bb sh -c 'kill -TERM $$; sleep 5'
docker run --rm bb sh -c 'echo out; echo err >&2' 2>/dev/null
docker run --rm -a stderr bb sh -c 'echo out; echo err >&2' 2>&1
docker run --rm -d bb true | wc -c
docker run --name once bb sh -c 'echo first >> /log; cat /log'; docker start -a once; docker rm once
docker stop -t 0 web api
docker start web api
docker restart -t 0 web api
docker kill -s KILL web api
docker wait web api
docker start web nosuch 2>/dev/null
docker stop -t 0 web nosuch 2>/dev/null
docker rm -f web nosuch 2>/dev/null
docker run -d --name web -v "$PWD":/mnt:rw,z --tmpfs /run:rw,noexec bb sleep 1000 > /dev/null; docker inspect -f '{{range .Mounts}}{{.Type}}:{{.Destination}}:{{.RW}} {{end}}{{.HostConfig.Tmpfs}}' web
docker run --rm --volumes-from web bb ls /mnt | sort | head -1
docker run --rm --network container:web bb cat /proc/net/dev | wc -l
docker run --rm --pid container:web bb ps | grep -c 'sleep 1000'
docker network create -d bridge --internal inner > /dev/null; docker network inspect -f '{{.Internal}}' inner; docker network rm inner
docker network ls --filter driver=bridge --format '{{.Name}}'
docker network ls --format json | jq -r .Name | sort
docker network rm nosuch 2>/dev/null
docker network connect nosuch web 2>/dev/null
docker network disconnect bridge web && docker inspect -f '{{len .NetworkSettings.Networks}}' web
docker volume create --label a=b labelled; docker volume ls --filter label=a=b -q; docker volume inspect -f '{{.Labels.a}} {{json .Options}}' labelled; docker volume rm labelled nosuch 2>/dev/null
docker volume create -d nosuch x 2>/dev/null
docker rm -f web api
printf 'FROM bb\nENV A=1\nLABEL l=v\nRUN echo built > /made\nWORKDIR /data\nEXPOSE 80\nCMD ["cat", "/made"]\n' > Dockerfile; docker build -q -t built . 2>/dev/null | cut -c1-7
docker run --rm built
docker run --rm built pwd
docker inspect -f '{{json .Config.Cmd}} {{json .Config.Env}} {{json .Config.ExposedPorts}} {{.Config.WorkingDir}} {{json .Config.Labels}}' built
printf 'FROM bb AS one\nARG V=1\nRUN mkdir /o && echo $V > /o/f\nFROM bb\nCOPY --from=one /o /got\nCOPY --chown=1000:50 Dockerfile /home/user/\n' > Dockerfile.two; docker build -q -f Dockerfile.two --build-arg V=2 -t two:v2 . 2>/dev/null | cut -c1-7
docker run --rm two:v2 sh -c 'cat /got/f; stat -c "%u:%g" /home/user/Dockerfile'
printf 'FROM bb\nRUN exit 9\n' | docker build - > /dev/null 2>&1 || echo failed
printf 'FROM bb\nCOPY nosuch /\n' > Dockerfile.bad; docker build -f Dockerfile.bad . > /dev/null 2>&1; echo $?
docker build -q --target one -f Dockerfile.two . 2>/dev/null | cut -c1-7
docker build nosuchfolder > /dev/null 2>&1; echo $?
docker rmi -f built two:v2 > /dev/null; docker images --format '{{.Repository}}'  | grep -c -E 'built|two'
