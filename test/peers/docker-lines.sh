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
docker run --rm --add-host db:10.0.0.5 bb grep -w db /etc/hosts
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
mkdir -p c/sub c/deep/a/b; echo 1 > c/one.txt; echo 2 > c/two.txt; echo 3 > c/sub/three.md; echo 4 > c/deep/a/b/four; ln -sf one.txt c/link; tar cf c/arch.tar -C c one.txt two.txt; gzip -kf c/arch.tar; printf '*.md\n!sub/keep.md\n' > c/.dockerignore; echo k > c/sub/keep.md
printf 'FROM bb\nCOPY *.txt /t/\nCOPY sub /s\nCOPY deep /d/\nCOPY link /l\nADD arch.tar /x/\nADD arch.tar.gz /y\n' > c/Dockerfile; docker build -q -t f1 c >/dev/null 2>&1; docker run --rm f1 sh -c 'ls -R /t /s /d /x /y; ls -l /l | cut -c1; cat /l'
printf 'FROM bb\nONBUILD RUN echo onbuild > /ob\nONBUILD ENV OB=1\n' | docker build -q -t ob - >/dev/null 2>&1; printf 'FROM ob\nCMD cat /ob\n' | docker build -q -t ob2 - > /dev/null 2>&1; docker run --rm ob2; docker inspect -f '{{json .Config.OnBuild}} {{json .Config.Cmd}}' ob; docker inspect -f '{{json .Config.OnBuild}} {{json .Config.Cmd}} {{json .Config.Env}}' ob2
printf 'FROM bb\nSHELL ["/bin/sh","-e","-c"]\nRUN echo $0 > /zero\nENTRYPOINT echo in\nCMD ignored\n' | docker build -q -t sh - >/dev/null 2>&1; docker run --rm sh; docker inspect -f '{{json .Config.Shell}} {{json .Config.Entrypoint}} {{json .Config.Cmd}}' sh
printf 'FROM bb\nVOLUME /v1 /v2\nVOLUME ["/v 3"]\nUSER user:users\nSTOPSIGNAL SIGUSR1\nHEALTHCHECK --interval=5s --timeout=3s --start-period=1s --retries=2 CMD test -e / || exit 1\nMAINTAINER someone\nEXPOSE 80/udp 443 8000-8002\nLABEL a=1 b="two words" c=x\\ y\n' | docker build -q -t meta - >/dev/null 2>&1; docker inspect -f '{{json .Config.Volumes}} {{.Config.User}} {{.Config.StopSignal}} {{json .Config.Healthcheck}} {{.Author}} {{json .Config.ExposedPorts}} {{json .Config.Labels}}' meta
docker run --rm meta id -un; docker run -d --name mm meta sleep 100 >/dev/null; docker inspect -f '{{len .Mounts}} {{.Config.StopSignal}} {{range .Mounts}}{{.Type}}{{.Destination}} {{end}}' mm | tr ' ' '\n' | sort; docker rm -fv mm
printf 'ARG BASE=bb\nFROM $BASE AS x\nARG BASE\nARG A=1\nARG B=${A}2\nENV C=${B:-no} D=${NO:-yes} E=${A:+set}\nRUN echo "$BASE $A $B $C $D $E" > /o\nFROM x\nRUN echo "[$A]" >> /o\nCMD cat /o\n' > D1; docker build -q -t args -f D1 . >/dev/null 2>&1; docker run --rm args; docker build -q --build-arg A=9 -t args -f D1 . >/dev/null 2>&1; docker run --rm args
docker build --build-arg NOTUSED=1 -q -f D1 . 2>&1 | grep -c -i consumed
printf 'FROM bb\nWORKDIR a\nWORKDIR b\nWORKDIR /c/$UNDEF\nENV P=/p\nWORKDIR $P/q\nRUN pwd > /w\nCMD cat /w\n' | docker build -q -t wd - >/dev/null 2>&1; docker run --rm wd; docker run --rm wd pwd
printf 'FROM bb\nENV A B C\nENV D=1 E="x y" F=z\\ w\nENV G=$D-$E\nRUN env | grep -E "^[ADEFG]=" | sort > /e\nCMD cat /e\n' | docker build -q -t env1 - >/dev/null 2>&1; docker run --rm env1
printf '# escape=`\nFROM bb\nRUN echo a `\n && echo b > /e\nCMD cat /e\n' | docker build -q -t esc - >/dev/null 2>&1; docker run --rm esc
printf 'FROM bb\n# comment\nRUN echo one && \\\n  # inner comment\n  echo two > /e\n\nCMD cat /e\n' | docker build -q -t cmt - >/dev/null 2>&1; docker run --rm cmt
printf 'FROM scratch\nCOPY one.txt /\n' > D2; docker build -q -t scr -f D2 c >/dev/null 2>&1; docker create --name sc scr x >/dev/null; docker cp sc:/one.txt - | tar xO; docker rm sc
printf 'FROM bb\nFOO bar\n' | docker build - >/dev/null 2>&1; echo $?
printf 'RUN true\n' | docker build - >/dev/null 2>&1; echo $?
printf '' | docker build - >/dev/null 2>&1; echo $?
printf 'FROM bb\nCOPY ../x /\n' > D3; docker build -f D3 c >/dev/null 2>&1; echo $?
printf 'FROM bb\nCOPY one.txt two.txt /nodir\n' > D3; docker build -f D3 c >/dev/null 2>&1; echo $?
printf 'FROM bb\nRUN ["echo","json"]\nRUN ["sh","-c","echo $HOME > /h"]\nENTRYPOINT ["sh","-c"]\nCMD ["cat /h"]\n' | docker build -q -t js - >/dev/null 2>&1; docker run --rm js; docker run --rm js 'echo over'
printf 'FROM bb\nUSER 1000\nRUN id -u > /tmp/u\nUSER 0\nCOPY --chown=user:users one.txt /o\nCOPY --chown=2000 two.txt /p\nCMD cat /tmp/u; stat -c "%%u:%%g %%n" /o /p\n' > D4; docker build -q -t us -f D4 c >/dev/null 2>&1; docker run --rm us
printf 'FROM bb\nRUN mkdir /m && chmod 1777 /m && touch /m/f && chmod 4755 /m/f\nRUN rm -rf /etc/group; ln -s /nowhere /etc/broken; mknod /tmp/p p\nCMD stat -c "%%a %%F %%n" /m /m/f /etc/broken /tmp/p; ls /etc/group\n' | docker build -q -t perms - >/dev/null 2>&1; docker run --rm perms 2>/dev/null
docker save perms | tar t | grep -cE 'layer.tar|blobs|/json'  >/dev/null; docker save perms bb -o two.tar; docker rmi perms >/dev/null; docker load -i two.tar | grep -c Loaded; docker run --rm perms sh -c 'stat -c "%a %F" /m/f; ls /etc/group' 2>/dev/null
printf 'FROM bb\nLABEL stage=x\nRUN touch /one\n' > D5; docker build -q --label extra=1 --no-cache --rm -t lab -f D5 . >/dev/null 2>&1; docker inspect -f '{{json .Config.Labels}}' lab; docker images -q --filter label=extra=1 | wc -l; docker images --filter label=nosuch -q | wc -l
docker build -q --iidfile iid -f D5 . >/dev/null 2>&1; cut -c1-7 iid; docker image inspect $(cat iid) -f '{{len .RootFS.Layers}}'
docker build -q -t multi:1 -t multi:2 -f D5 . >/dev/null 2>&1; docker images multi --format '{{.Tag}}' | sort
docker build -f nosuchfile . >/dev/null 2>&1; echo $?
docker build -t 'Bad Name' . >/dev/null 2>&1; echo $?
docker build -t UPPER . >/dev/null 2>&1; echo $?
docker build >/dev/null 2>&1; echo $?
cd c && docker build -q -f sub/../Dockerfile . 2>/dev/null | cut -c1-7
tar c -C c . | docker build -q - 2>/dev/null | cut -c1-7
tar cz -C c . | docker build -q - 2>/dev/null | cut -c1-7
docker history f1 --format '{{.CreatedBy}}' --no-trunc | head -3 | cut -c1-30 >/dev/null; docker history nosuch 2>/dev/null
docker run --rm -v /data bb sh -c 'mount | grep -c " /data "'
docker run --rm -v nam1:/home bb ls /home; docker volume rm nam1
docker run --rm -v nam2:/home:nocopy bb ls /home; docker volume rm nam2
docker run --rm --mount type=volume,src=nam3,dst=/etc,volume-nocopy bb true 2>/dev/null; docker volume rm nam3
docker run --rm --mount source=nam4,target=/x,ro bb touch /x/y 2>/dev/null; docker volume rm nam4
docker run --rm --mount type=bind,src=/nosuch/path,dst=/x bb true 2>/dev/null
docker run --rm -v "$PWD/autocreate:/x" bb true; ls -d autocreate
docker run --rm -v relative/path:/x bb true 2>/dev/null
docker run --rm -v ./c:/x bb ls /x 
docker run --rm -v "$PWD/c/one.txt:/etc/one" bb cat /etc/one
docker run --rm -v "$PWD/c/one.txt:/etc/one:ro" bb sh -c 'echo x > /etc/one' 2>/dev/null
docker run --rm -v "$PWD/c:/new/deep/dir" bb ls /new/deep/dir
docker run --rm -v "$PWD/c:/x:bogus" bb true 2>/dev/null
docker run --rm -v twice:/a --tmpfs /a bb true 2>/dev/null; docker run --rm -v /a -v twice:/a -v twice:/a bb sh -c 'mount | grep -c " /a "'; docker volume rm twice
docker run --rm -v /x:/y:/z:/w bb true 2>/dev/null
docker run --rm --mount type=bogus,dst=/x bb true 2>/dev/null
docker run --rm --mount dst=/x,nosuch=1 bb true 2>/dev/null
docker run --rm --tmpfs /run:rw,size=64k,mode=1770,uid=5 bb sh -c 'stat -c "%a %u" /run; df -k /run | tail -1 | tr -s " " | cut -d" " -f2'
docker run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700 bb sh -c 'stat -c %a /t; df -k /t | tail -1 | tr -s " " | cut -d" " -f2'
docker run --rm --shm-size 1g bb sh -c 'df -m /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'
docker run --rm --shm-size bogus bb true 2>/dev/null
docker run --rm -m 6m bb true 2>/dev/null; docker run --rm -m 5m bb true 2>/dev/null
docker run --rm -m 64m --memory-reservation 32m bb echo res
docker run --rm -m 64m --memory-swap 32m bb true 2>/dev/null
docker run --rm --cpus 0 bb echo zero; docker run --rm --cpus 100 bb true 2>/dev/null; docker run --rm --cpus bogus bb true 2>/dev/null
docker run --rm --cpuset-cpus 0 bb grep Cpus_allowed_list /proc/self/status
docker run --rm --cpuset-cpus 0-99 bb true 2>/dev/null
docker run --rm --cpu-shares 512 bb echo shares
docker run --rm --cpu-period 50000 --cpu-quota 25000 bb echo quota
docker run --rm --cpus 1 --cpu-quota 25000 bb true 2>/dev/null
docker run --rm --pids-limit 3 bb sh -c 'for i in 1 2 3 4 5; do sleep 1 & done' >/dev/null 2>&1; echo $?
docker run --rm --oom-score-adj 500 bb cat /proc/self/oom_score_adj
docker run --rm --oom-score-adj 5000 bb true 2>/dev/null
docker run --rm --ulimit nofile=100:50 bb true 2>/dev/null
docker run --rm --ulimit bogus=1 bb true 2>/dev/null
docker run --rm --ulimit core=0 --ulimit nproc=100:200 bb sh -c 'ulimit -c; ulimit -u'
docker run --rm --sysctl kernel.shmmax=1000000 bb cat /proc/sys/kernel/shmmax
docker run --rm --sysctl vm.swappiness=1 bb true 2>/dev/null
docker run --rm --sysctl net.core.somaxconn=77 bb cat /proc/sys/net/core/somaxconn
docker run --rm --cap-add sys_time --cap-drop cap_chown bb grep CapBnd /proc/self/status
docker run --rm --cap-add nosuch bb true 2>/dev/null
docker run --rm -u 1000 bb grep -E 'Cap(Eff|Prm|Amb|Inh)' /proc/self/status
docker run --rm -u nosuchuser bb true 2>/dev/null
docker run --rm -u 0:nosuchgroup bb true 2>/dev/null
docker run --rm -u :50 bb id -g
docker run --rm -u user:50 bb id
docker run --rm --group-add users --group-add 77 bb id -G
docker run --rm --group-add nosuch bb true 2>/dev/null
docker run --rm --security-opt seccomp=unconfined bb grep Seccomp: /proc/self/status
docker run --rm --security-opt seccomp=/nosuch bb true 2>/dev/null
docker run --rm --security-opt bogus bb true 2>/dev/null
docker run --rm --security-opt apparmor=unconfined bb echo aa
docker run --rm --privileged --network none bb grep -E 'Cap(Eff|Bnd)|Seccomp:' /proc/self/status >/dev/null; echo
docker run --rm bb ls -l /dev | awk '{print $1, $NF}' | sort
docker run --rm bb sh -c 'ls -ld /proc/kcore /proc/keys /proc/timer_list /proc/scsi /sys/firmware 2>&1 | cut -c1,5-10'
docker run --rm bb sh -c 'echo x > /proc/sysrq-trigger' 2>/dev/null
docker run --rm --network host bb sh -c 'cat /etc/hostname' | wc -l
docker run --rm --hostname 'bad_host!' bb hostname 2>/dev/null
docker run --rm --hostname $(printf 'x%.0s' $(seq 70)) bb hostname 2>/dev/null
docker run --rm --add-host bad bb true 2>/dev/null
docker run --rm --add-host a:bad bb true 2>/dev/null
docker run --rm --dns bogus bb true 2>/dev/null
docker run --rm --dns-option ndots:3 --dns 1.1.1.1 bb cat /etc/resolv.conf | grep -E '^(nameserver|options)'
docker run --rm --mac-address bogus bb true 2>/dev/null
docker run --rm --ip 10.1.1.1 bb true 2>/dev/null
docker run --rm --network bridge --network-alias x bb true 2>/dev/null
docker run --rm -p 127.0.0.1:18080:80/tcp -p 18081:81/udp bb true && echo ports
docker run -d --name pp -p 127.0.0.1:18080:80/tcp -p 18081:81/udp -p 18100-18102:90-92 bb sleep 100 >/dev/null; docker port pp | sort; docker port pp 81/udp; docker rm -f pp
docker run -d --name pq -p 18080:80 bb sleep 100 >/dev/null; docker run --rm -p 18080:80 bb true 2>/dev/null; docker rm -f pq
docker run --rm -p 1-3:80 bb true 2>/dev/null
docker run --rm -p abc:80 bb true 2>/dev/null
docker run --rm -p 80:80/bogus bb true 2>/dev/null
docker run --rm --restart no bb true; docker run --rm --restart always bb true 2>/dev/null; echo $?
docker run -d --name rs --restart on-failure:2 bb sh -c 'exit 5' >/dev/null; sleep 3; docker inspect -f '{{.RestartCount}} {{.State.ExitCode}} {{.State.Status}} {{json .HostConfig.RestartPolicy}}' rs; docker rm -f rs
docker run --restart bogus bb true 2>/dev/null
docker run --restart always:3 bb true 2>/dev/null
docker run --stop-signal NOPE bb true 2>/dev/null
docker run -d --name st --stop-signal USR1 --stop-timeout 2 bb sh -c 'trap "exit 9" USR1; while :; do sleep 0.1; done' >/dev/null; sleep 0.3; docker stop st; docker inspect -f '{{.State.ExitCode}}' st; docker rm st
docker run -d --name st bb sh -c 'trap "" TERM; while :; do sleep 0.1; done' >/dev/null; sleep 0.3; docker stop -t 1 st; docker inspect -f '{{.State.ExitCode}}' st; docker rm st
docker run -d --name st bb sh -c 'trap "echo hup" HUP; while :; do sleep 0.1; done' >/dev/null; sleep 0.3; docker kill -s HUP st; sleep 0.4; docker logs st; docker kill --signal=9 st; docker rm st
docker run --rm -d --name gone bb sleep 100 >/dev/null; docker stop -t 0 gone; sleep 0.5; docker inspect gone 2>/dev/null; docker wait gone 2>/dev/null
docker run --name a1 --rm -d bb sleep 100 | wc -c; docker rm a1 2>/dev/null; docker rm -f a1; docker ps -aq --filter name=a1
docker pause e1; docker exec e1 true 2>/dev/null; echo $?; docker stop -t 0 e1 2>/dev/null; docker inspect -f '{{.State.Status}}' e1; docker start e1; docker pause e1; docker inspect -f '{{.State.Status}} {{.State.Paused}} {{.State.Running}}' e1; docker kill e1 2>/dev/null; docker unpause e1 2>/dev/null; docker rm -f e1
docker run --name ln bb printf 'no newline'; docker logs ln; docker logs -t ln | wc -l; docker rm ln
docker run --log-driver none --name nl bb echo x; docker logs nl 2>/dev/null; docker rm nl
docker run --log-driver local --name ll bb echo x; docker logs ll; docker inspect -f '{{json .HostConfig.LogConfig}}' ll; docker rm ll
docker run --rm --log-opt bogus=1 bb true 2>/dev/null
docker run --rm --log-opt tag=x --log-opt labels=a --log-opt mode=non-blocking --log-opt max-buffer-size=1m bb echo opts
docker create --name cc --label l=1 bb sh -c 'echo in; exit 3' >/dev/null; docker ps -a --filter status=created --format '{{.Names}} {{.Status}}'; docker start cc; docker wait cc; docker start -ai cc; docker rm cc
docker run -d --name d1 bb sh -c 'touch /new; rm /etc/group; echo x >> /etc/passwd; mkdir -p /q/w; sleep 100' > /dev/null; sleep 0.4; docker diff d1 | sort; docker ps -s --format '{{.Names}} {{.Size}}' | cut -d' ' -f1; docker export d1 | tar t | grep -cE '^(new|q/w/|etc/group)$'; docker rm -f d1
docker run -d --name cp1 bb sleep 100 >/dev/null; docker cp c cp1:/dst; docker exec cp1 ls /dst; docker cp c cp1:/dst; docker exec cp1 ls /dst | sort | head -3; docker cp c/. cp1:/dst2 2>/dev/null; docker exec cp1 sh -c 'mkdir /dst3'; docker cp c/. cp1:/dst3; docker exec cp1 ls /dst3; docker cp c/one.txt cp1:/nosuch/dir/ 2>/dev/null; docker cp c/one.txt cp1:/named; docker exec cp1 cat /named; docker cp cp1:/dst/link out1; test -L out1 && echo link; docker cp -L cp1:/dst/link out2; cat out2; docker cp cp1:/etc/. etcout && ls etcout | head -2; docker cp cp1:/etc etcout; ls -d etcout/etc; docker cp cp1:/etc/passwd nosuchdir/ 2>/dev/null; docker cp - cp1:/ < /dev/null 2>/dev/null; docker cp a b 2>/dev/null; docker cp cp1:/a cp1:/b 2>/dev/null; docker rm -f cp1
docker run -d --name up bb sleep 100 >/dev/null; docker update --cpus 0.5 --pids-limit 50 --restart always up; docker inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}' up; docker update --memory bogus up 2>/dev/null; docker update up 2>/dev/null; docker update --memory 64m nosuch 2>/dev/null; docker rm -f up
docker network create --driver bridge --gateway 10.77.0.254 --subnet 10.77.0.0/24 --ip-range 10.77.0.128/25 --opt com.docker.network.bridge.name=brx77 --label k=v n77 | wc -c; docker network inspect -f '{{json .IPAM.Config}} {{json .Options}} {{json .Labels}}' n77; docker run --rm --network n77 bb sh -c 'ip route | head -1 | cut -d" " -f3; ip -4 addr show eth0 | grep -c 10.77.0.1[2-9]'; docker run --rm --network n77 --ip 10.77.0.9 bb sh -c 'ip -4 addr show eth0 | grep -o "inet [0-9./]*"'; docker run --rm --network n77 --ip 10.99.0.9 bb true 2>/dev/null; docker network create --subnet 10.77.0.0/25 overlap 2>/dev/null; docker network rm n77
docker network create ali >/dev/null; docker run -d --name s1 --network ali --network-alias svc bb sleep 100 >/dev/null; docker run -d --name s2 --network ali --network-alias svc bb sleep 100 >/dev/null; docker run --rm --network ali bb sh -c 'nslookup svc 2>/dev/null | grep -c "^Address.*172\|^Address.*10\.\|^Address.*192"' >/dev/null; docker run --rm --network ali --link s1:linked bb sh -c 'ping -c1 -W1 linked >/dev/null && echo pong; ping -c1 -W1 s2.ali > /dev/null && echo fqdn'; docker network inspect ali -f '{{range .Containers}}{{.Name}} {{end}}' | tr ' ' '\n' | sort; docker rm -f s1 s2; docker network rm ali
docker run -d --name l1 bb sleep 100 >/dev/null; docker run --rm --link l1:db bb sh -c 'grep -cw db /etc/hosts; env | grep -c ^DB_'; docker rm -f l1; docker run --rm --link nosuch bb true 2>/dev/null
docker run --rm --network container:nosuch bb true 2>/dev/null; docker run --rm --pid container:nosuch bb true 2>/dev/null; docker run --rm --ipc container:nosuch bb true 2>/dev/null; docker run --rm --volumes-from nosuch bb true 2>/dev/null; docker run --rm --network container:x -p 80:80 bb true 2>/dev/null; docker run --rm --network host -p 80:80 bb true >/dev/null 2>&1; echo $?; docker run --rm --network none --network host bb true >/dev/null 2>&1; echo $?
docker run --rm --ipc private bb echo p; docker run --rm --ipc none bb sh -c 'ls -d /dev/shm' 2>/dev/null; docker run --rm --ipc bogus bb true 2>/dev/null; docker run --rm --pid bogus bb true 2>/dev/null; docker run --rm --uts bogus bb true 2>/dev/null; docker run --rm --userns bogus bb true 2>/dev/null; docker run --rm --cgroupns bogus bb true 2>/dev/null
docker run --rm --cgroupns private bb cat /proc/self/cgroup | cut -d: -f3 | sort -u
docker run --rm --device /dev/null:/dev/x:r bb sh -c 'echo > /dev/x' 2>/dev/null; docker run --rm --device /dev/null:/dev/x:bogus bb true 2>/dev/null; docker run --rm --device-cgroup-rule 'c 1:3 rwm' bb echo rule; docker run --rm --device-cgroup-rule bogus bb true 2>/dev/null
docker run --rm --entrypoint sh bb -c 'echo $0 $@' x y z; docker run --rm --entrypoint '' bb 2>/dev/null; docker run --rm --entrypoint 'sh -c' bb true 2>/dev/null
docker run --rm -e A -e B= -e C=1=2 -e 'D=a b' bb sh -c 'env | grep -E "^[ABCD]=" | sort'; docker run --rm --env-file nosuch bb true 2>/dev/null; printf 'BAD LINE=1\n' > bad.env; docker run --rm --env-file bad.env bb true 2>/dev/null; printf 'GOOD=1\nHOME\n=x\n' > bad2.env; docker run --rm --env-file bad2.env bb true 2>/dev/null
docker run --rm -w relative bb pwd 2>/dev/null; docker run --rm -w /etc/passwd bb pwd 2>/dev/null; docker run --rm -w /new/dir bb pwd
docker run --rm -t bb sh -c 'stty size; test -t 0 && echo tty; test -t 1 && echo tty' | tr -d '\r'; docker run --rm -t bb printf 'a\nb\n' | od -c | head -1
docker run --rm bb sh -c 'test -t 0 || echo notty; cat' < /dev/null; echo in | docker run --rm bb cat; echo in | docker run -i --rm -a stdin -a stdout bb cat; echo in | docker run --rm -a stdin bb cat 2>/dev/null
docker run --rm --detach-keys bogus bb true 2>/dev/null; docker run -d -a stdout bb true 2>/dev/null; docker run -d --rm -t bb sleep 1 | wc -c
docker ps --filter bogus 2>/dev/null; docker ps --filter name= >/dev/null; echo $?; docker ps --last bogus 2>/dev/null; docker ps --format '{{range' 2>/dev/null; docker ps -z 2>/dev/null
docker images --filter bogus=1 2>/dev/null; docker images --format '{{.Bogus}}' 2>/dev/null; docker images nosuch; docker images --digests | head -1 | tr -s ' '; docker images -a -q | wc -l >/dev/null
docker tag bb localhost:5000/x/y:z; docker images --format '{{.Repository}} {{.Tag}}' | grep local; docker rmi localhost:5000/x/y:z; docker tag bb 'a/B' 2>/dev/null; docker tag bb a: 2>/dev/null; docker tag bb x@sha256:abc 2>/dev/null; docker tag bb 2>/dev/null
docker run -d --name im bb sleep 100 >/dev/null; docker rmi bb 2>/dev/null; docker tag bb bb2; docker rmi bb2; docker rm -f im
docker commit nosuch x 2>/dev/null; docker run --name cm -e A=1 -w /tmp -u user bb true; docker commit -c 'USER root' -c 'EXPOSE 99' -c 'LABEL q=w' -c 'ENTRYPOINT ["echo"]' -c 'VOLUME /vv' -c 'WORKDIR /ww' -c 'ONBUILD RUN x' cm cmi >/dev/null; docker inspect -f '{{json .Config.User}} {{json .Config.Env}} {{json .Config.ExposedPorts}} {{json .Config.Labels}} {{json .Config.Entrypoint}} {{json .Config.Volumes}} {{.Config.WorkingDir}} {{json .Config.OnBuild}} {{json .Config.Cmd}}' cmi; docker commit -c 'BOGUS x' cm 2>/dev/null; docker rm cm; docker rmi cmi | grep -c Untagged
docker save nosuch 2>/dev/null | wc -c; docker load -i nosuch 2>/dev/null; echo garbage | docker load 2>/dev/null; docker export nosuch 2>/dev/null | wc -c; docker import -m msg -c 'ENV A=1' - imp < c/arch.tar | cut -c1-7; docker history --format '{{.Comment}}' imp; docker rmi imp | grep -c Untagged
docker top nosuch 2>/dev/null; docker stats --no-stream nosuch 2>/dev/null; docker port nosuch 2>/dev/null; docker diff nosuch 2>/dev/null; docker attach nosuch 2>/dev/null; docker pause nosuch 2>/dev/null; docker update -m 1g nosuch 2>/dev/null; docker restart nosuch 2>/dev/null; docker unpause nosuch 2>/dev/null; docker kill nosuch 2>/dev/null; docker stop nosuch 2>/dev/null; docker start nosuch 2>/dev/null
docker run -d --name at bb sh -c 'sleep 0.6; echo attached; exit 6' >/dev/null; docker attach at; docker attach at 2>/dev/null; docker rm at
docker help >/dev/null; echo $?; docker run --help >/dev/null; echo $?; docker container 2>/dev/null >/dev/null; echo $?; docker container nosuch 2>/dev/null >/dev/null; echo $?; docker --nosuch 2>/dev/null; docker >/dev/null 2>&1; echo $?
docker run -d --name aa --label g=1 -p 8080:80 --expose 90 bb sleep 300 >/dev/null; docker run -d --name ab --label g=2 bb sleep 300 >/dev/null; docker create --name ac bb true >/dev/null; docker ps --filter publish=8080 --format '{{.Names}}'; docker ps --filter publish=80 --format '{{.Names}}'; docker ps --filter expose=90 --format '{{.Names}}'; docker ps --filter publish=8000-9000/tcp --format '{{.Names}}'
docker inspect -f '{{.Config.Healthcheck}} {{.Config.StopSignal}} {{.Config.Shell}} {{.Config.OnBuild}}' bb
docker inspect -f '{{.Config.Healthcheck}} {{.Config.StopSignal}} {{.Config.ExposedPorts}} {{.Config.Shell}} {{.Config.StopTimeout}} {{.HostConfig.Init}} {{.HostConfig.Tmpfs}} {{.HostConfig.Sysctls}} {{.HostConfig.PidsLimit}} {{.HostConfig.Mounts}} {{.HostConfig.Links}} {{.HostConfig.VolumesFrom}} {{.HostConfig.SecurityOpt}} {{.HostConfig.DeviceRequests}} {{.HostConfig.StorageOpt}} {{.HostConfig.OomKillDisable}} {{.HostConfig.MemorySwappiness}}' ab
docker inspect -f '{{json .HostConfig.PortBindings}} {{json .NetworkSettings.Ports}} {{json .Config.ExposedPorts}}' aa
docker inspect -f '{{.Created}} {{.State.StartedAt}} {{.State.FinishedAt}}' ac | grep -cE '^[0-9T:.-]+Z 0001-01-01T00:00:00Z 0001-01-01T00:00:00Z$'
docker inspect -f '{{.NetworkSettings.Networks.bridge.Gateway}} {{.NetworkSettings.Gateway}} {{.NetworkSettings.IPPrefixLen}}' aa | wc -w
docker inspect -f '{{ .State.Status }}:{{- .State.ExitCode -}}:{{ .State.Running }}' ac
docker inspect -f '{{with index .NetworkSettings.Networks "bridge"}}{{len .IPAddress | lt 6}}{{end}}' aa
docker inspect -f '{{range $i, $m := .Mounts}}{{$i}}{{else}}none{{end}}' aa
docker inspect -f '{{eq .Name "/a"}} {{ne .Name "/a"}} {{len .Args}} {{index .Args 0}}' aa
docker inspect -f '{{printf "%v %s %d %q %t %x %5d|%-5s|%05.1f" .State.Running .Name .State.ExitCode .Path true 255 3 "ab" 2.5}}' aa
docker inspect -f '{{html "<a>"}} {{js "it'"'"'s"}} {{urlquery "a b"}} {{print 1 2 "x" "y" 3}} {{println}}' aa
docker inspect -f '{{define "T"}}[{{.}}]{{end}}{{template "T" .Name}}' aa
docker inspect -f '{{block "B" .Path}}({{.}}){{end}}' aa
docker inspect -f '{{range .Args}}{{if eq . "300"}}{{break}}{{end}}{{.}}{{end}} {{range .Args}}{{continue}}{{end}}x' aa
docker inspect -f '{{$x := 1}}{{$x = 2}}{{$x}} {{if false}}a{{else if true}}b{{else}}c{{end}}' aa
docker inspect -f '{{"a" | printf "%s-%s" "b"}} {{(index .Args 0) | len}} {{slice "abcdef" 1 3}} {{or "" "d"}} {{and 1 0}} {{not ""}}' aa
docker inspect -f '{{call .Nope}}' aa 2>/dev/null
docker inspect -f '{{lower .Name | title}} {{upper "x"}} {{split "a,b,c" ","}} {{join (split "a,b" ",") "+"}} {{truncate "abcdef" 3}} {{pad "x" 2 2}}|' aa
docker inspect -f '{{json .Config.Labels}} {{json .Config.Env | len}}' aa
docker stats --no-stream --format '{{.Container}} {{.Name}} {{.PIDs}}' aa ab | sort
docker stats --no-stream --no-trunc --format '{{.ID}}' aa | tr -d '\n' | wc -c
docker top aa -o pid= 2>/dev/null | wc -l
docker wait ac aa & sleep 0.5; docker start ac >/dev/null; docker kill aa >/dev/null; wait
docker start -a nosuch 2>/dev/null; docker create --name s1 bb sh -c 'echo one; exit 1' >/dev/null; docker create --name s2 bb echo two > /dev/null; docker start -a s1 s2 2>/dev/null; docker start s1 s2; docker wait s1 s2; docker rm s1 s2
docker run -d --name sig bb sh -c 'trap "echo got; exit 3" TERM; while :; do sleep 0.1; done' >/dev/null; (docker attach sig > out.sig 2>/dev/null; echo code $? >> out.sig) & sleep 0.6; docker kill -s TERM sig > /dev/null; wait; cat out.sig; docker rm sig
(timeout -s INT 1.5 docker run --rm --name fg bb sh -c 'trap "echo int; exit 5" INT; while :; do sleep 0.1; done'; echo code $?)
(timeout -s TERM 1.5 docker run --rm --name fg bb sh -c 'trap "echo term; exit 6" TERM; while :; do sleep 0.1; done'; echo code $?)
seq 1 100000 | docker run --rm -i bb wc -l
docker run --rm bb seq 1 100000 | tail -1
docker run --rm -i bb sh -c 'head -c 5; echo; sleep 0.2' <<< 'abcdefghij'
docker run -i --name ii bb cat <<< hello; docker start -ai ii <<< again; docker logs ii; docker rm ii
docker run --rm -i bb sh < /dev/null; echo $?
printf 'echo from script\nexit 7\n' | docker run --rm -i bb sh
head -c 3000000 /dev/zero | docker run --rm -i bb cat | wc -c
docker run --rm bb sh -c 'head -c 3000000 /dev/zero; echo err >&2' 2>/dev/null | wc -c
docker run --rm bb sh -c 'echo a; echo b >&2; echo c' 2>&1 | sort
docker run --rm bb printf '\x00\x01\xff' | od -An -tx1
docker run --rm bb sh -c 'printf "no newline"'
docker run --rm bb sh -c 'exec sleep 0.1 &' ; echo $?
docker run --rm bb sh -c '(sleep 1; echo late) & exit 0'
docker run --rm -e 'MULTI=a
b' bb sh -c 'echo "$MULTI"'
docker run --rm -e UNICODE=äöü bb sh -c 'echo $UNICODE | wc -c'
docker run --rm --name ünï bb true 2>/dev/null
docker run --rm --name a bb true; docker run --rm --name _a bb true 2>/dev/null; docker run --rm --name a.b-c_d bb true; docker run --rm --name $(printf 'n%.0s' $(seq 200)) bb true; echo $?
docker run --rm --label 'a b=c' bb true; docker run --name lb --label x --label y= --label z=1=2 bb true; docker inspect -f '{{json .Config.Labels}}' lb; docker ps -a -f label=z=1=2 --format '{{.Names}}: {{.Label "z"}}'; docker rm lb
docker create --name big $(for i in $(seq 200); do echo -e V$i=$i; done) bb sh -c 'env | grep -c ^V' >/dev/null; docker start -a big; docker rm big
docker run --rm bb sh -c "exit 255"; docker run --rm bb sh -c 'exit 256'; docker run --rm bb sh -c 'exit -1'
docker run --rm bb '' 2>/dev/null; docker run --rm bb ' ' 2>/dev/null; docker run --rm bb ./x 2>/dev/null; docker run --rm -w /bin bb ./busybox true; docker run --rm bb / 2>/dev/null; docker run --rm bb bin/sh -c 'echo rel' 2>/dev/null
docker run --rm '' 2>/dev/null; docker run --rm 'bb:' true 2>/dev/null; docker run --rm 'BB' true 2>/dev/null; docker run --rm 'bb@sha256:123' true 2>/dev/null
docker run --rm --volume /only/container bb ls -d /only/container; docker run --rm -v :/x bb true 2>/dev/null; docker run --rm -v / bb true 2>/dev/null; docker run --rm -v /a:/ bb true 2>/dev/null; docker run --rm -v /tmp: bb true 2>/dev/null; docker run --rm -v x:relative bb true 2>/dev/null; docker run --rm -v 'bad name:/x' bb true 2>/dev/null
docker run -d --name keep -v inuse:/d bb sleep 100 >/dev/null; docker volume rm inuse 2>/dev/null; docker volume rm -f inuse 2>/dev/null; docker volume prune -f --filter label=x | tail -1; docker rm -f keep; docker volume rm inuse
docker network create -o com.docker.network.driver.mtu=1400 mt >/dev/null; docker run --rm --network mt bb cat /sys/class/net/eth0/mtu; docker network rm mt; docker network create --attachable at1 >/dev/null; docker network inspect -f '{{.Attachable}} {{.EnableIPv6}} {{.IPAM.Driver}} {{.ConfigOnly}}' at1; docker network rm at1
docker run --rm --network name=bridge bb echo adv; docker network create nn >/dev/null; docker run --rm --network name=nn,alias=zz bb sh -c 'ping -c1 -W1 zz >/dev/null && echo pong'; docker network rm nn
docker network create a1 >/dev/null; docker network create a2 > /dev/null; docker create --name two --network a1 bb ip -4 addr > /dev/null; docker network connect a2 two; docker start -a two | grep -c 'inet '; docker rm two; docker network rm a1 a2
docker image tag bb q/w/e:r; docker image save q/w/e:r | tar xO manifest.json | jq -r '.[0].RepoTags[0]'; docker image rm -f q/w/e:r; docker image history bb --format '{{.Comment}} {{.Size}}' | wc -l; docker image inspect bb q 2>/dev/null | jq length
docker save bb | docker load; docker save -o /nosuch/dir/x bb 2>/dev/null; docker save bb > /dev/null && echo ok; docker save -o s.tar bb bb:latest && tar tf s.tar | grep -c manifest
docker export nosuch > f 2>/dev/null; wc -c < f; docker create --name ex bb true > /dev/null; docker export -o ex.tar ex && tar tf ex.tar | wc -l > /dev/null; docker export -o /nosuch/x ex 2>/dev/null; docker rm ex
docker run --name df bb sh -c 'echo x > /a; mkdir /b; chmod 700 /etc; rm /home/user/.profile 2>/dev/null; ln -s a /l' ; docker diff df | sort; docker rm df
timeout 1.5 docker events --filter type=volume --format '{{.Type}} {{.Action}} {{.Actor.ID}}' > evs & sleep 0.5; docker volume create evv >/dev/null; docker volume rm evv >/dev/null; wait; cat evs
timeout 1.5 docker events --filter type=network --format '{{.Action}} {{.Actor.Attributes.name}}' > evs & sleep 0.5; docker network create evn >/dev/null; docker network rm evn >/dev/null; wait; cat evs
timeout 1.5 docker events --filter type=image --format '{{.Action}} {{.Actor.Attributes.name}}' > evs & sleep 0.5; docker tag bb evi >/dev/null; docker rmi evi >/dev/null; wait; cat evs
timeout 1.5 docker events --format json --filter event=create > evs & sleep 0.5; docker create --name evc bb true > /dev/null; wait; jq -r '.Type,.Action,.Actor.Attributes.name,.status,.from' evs; docker rm evc
docker run -d --name rp --restart always bb sh -c 'sleep 0.3; exit 1' >/dev/null; sleep 2; docker inspect -f '{{gt .RestartCount 0}} {{.State.Restarting}}' rp | cut -d' ' -f1; docker stop rp; docker inspect -f '{{.State.Status}}' rp; sleep 1; docker inspect -f '{{.State.Status}}' rp; docker update --restart no rp; docker rm rp
docker run --rm -m 32m --kernel-memory 10m bb true 2>/dev/null; docker run --rm --memory-swappiness 50 -m 32m bb echo sw; docker run --rm --memory-swappiness 101 bb true 2>/dev/null; docker run --rm --memory -1 bb true 2>/dev/null; docker run --rm --memory 1.5g bb true 2>/dev/null; docker run --rm --memory 64MB bb echo mb; docker run --rm --memory 64mib bb echo mib 2>/dev/null; docker run --rm --pids-limit -1 bb echo p; docker run --rm --pids-limit bogus bb true 2>/dev/null; docker run --rm --blkio-weight 5 bb true 2>/dev/null; docker run --rm --cpuset-mems 0 bb echo mems; docker run --rm --cpu-shares 1 bb true 2>/dev/null; docker run --rm --cpu-period 10 bb true 2>/dev/null
docker container prune -f --filter until=100h; docker container prune -f --filter label=nosuch; docker container prune -f --filter bogus=1 2>/dev/null; docker container rename 2>/dev/null; docker container update 2>/dev/null; docker container wait 2>/dev/null
docker run --rm -v /proc:/hp:ro bb sh -c 'ls -d /hp/[0-9]* | wc -l | xargs test 10 -lt && echo many; cat /hp/1/comm'
docker run --rm -v /sys:/hs:ro bb sh -c 'ls /hs | sort | head -3'
docker run --rm -v /dev:/hd bb sh -c 'test -e /hd/loop-control -o -e /hd/vda && echo dev'
docker run --rm -v /:/host:ro bb sh -c 'test -e /host/etc/debian_version && echo root; touch /host/x 2>&1 | grep -c Read-only'
docker run --rm -v /run:/hr:ro bb ls -d /hr
docker run --rm -v /proc/sys/kernel/hostname:/hn:ro bb sh -c 'test -s /hn && echo name'
docker run --rm -v /etc/hostname:/etc/hostname:ro bb sh -c 'test -s /etc/hostname && echo own'
docker run --rm -v /dev/null:/etc/resolv.conf bb wc -c /etc/resolv.conf
docker run --rm -v "$PWD":/a -v "$PWD":/a/b bb ls -d /a/b; ls -d b; rmdir b
docker run --rm --tmpfs /x -v "$PWD":/x/y bb sh -c 'mount | grep -c " /x"'
docker run --rm -v "$PWD":/x/y --tmpfs /x bb sh -c 'mount | grep -c " /x"'
docker run --rm -v "$PWD":/tmp/. bb sh -c 'mount | grep -c " /tmp "'
docker run --rm -v "$PWD":/tmp/../etc2 bb sh -c 'mount | grep -c " /etc2 "'
docker run --rm -v "$PWD":/ bb true 2>/dev/null
docker run --rm -v "$PWD":relative bb true 2>/dev/null
docker run --rm -v "$PWD:/x:rshared" bb grep -c ' /x .*shared' /proc/self/mountinfo
docker run --rm -v "$PWD:/x:private" bb grep ' /x ' /proc/self/mountinfo | grep -cE 'shared|master'
docker run --rm -v "$PWD:/x:nosuid,noexec" bb true 2>/dev/null
docker run -d --name own --ipc shareable -v shared:/v bb sh -c 'echo q > /dev/shm/q; echo v > /v/v; sleep 100' >/dev/null; sleep 0.3; docker run --rm --ipc container:own bb cat /dev/shm/q; docker run --rm --volumes-from own:ro bb sh -c 'cat /v/v; touch /v/x 2>&1 | grep -c Read'
docker run --rm --pid container:own --network container:own --ipc container:own bb sh -c 'ps | grep -c "[s]leep 100"; hostname | wc -c'
docker run --rm --network container:own --hostname x bb true 2>/dev/null
docker run --rm --network container:own --dns 1.1.1.1 bb true 2>/dev/null
docker run --rm --network container:own --add-host a:1.1.1.1 bb true 2>/dev/null
docker run --rm --network container:own --expose 80 bb true 2>/dev/null
docker run --rm --network container:own --mac-address 02:42:ac:11:00:02 bb true 2>/dev/null
docker run --rm --network host --hostname x bb hostname
docker run --rm --uts host --hostname x bb true 2>/dev/null
docker run --rm --ipc container:nosuch bb true 2>/dev/null; docker run --rm --ipc bogus bb true 2>/dev/null; docker run --rm --pid bogus bb true 2>/dev/null; docker run --rm --uts bogus bb true 2>/dev/null; docker run --rm --userns bogus bb true 2>/dev/null; docker run --rm --cgroupns bogus bb true 2>/dev/null
docker stop -t 0 own; docker run --rm --network container:own bb true 2>/dev/null; docker run --rm --pid container:own bb true 2>/dev/null; docker start own; docker rm -f own; docker volume rm shared
docker run -dit --name sh bb sh >/dev/null; echo 'echo $((6*7)); exit 3' | docker attach sh 2>/dev/null; docker rm -f sh
docker run -d --name sh bb sh; sleep 0.3; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' sh; docker rm -f sh
docker run -dt --name sh bb sh >/dev/null; sleep 0.3; docker inspect -f '{{.State.Status}} {{.Config.OpenStdin}} {{.Config.Tty}}' sh; docker exec sh sh -c 'ls -l /proc/1/fd/0 | grep -c pts'; docker rm -f sh
script -qec 'docker run --rm -t bb sh -c "echo out; echo err >&2"' /dev/null </dev/null | tr -d '\r'
docker run --rm -t bb sh -c 'echo out; echo err >&2' 2>/dev/null | tr -d '\r'
docker run --rm -t bb printf 'a\nb\n' | od -An -c | tr -s ' '
docker run --name tl -t bb printf 'a\nb\n' >/dev/null; docker logs tl | od -An -c | tr -s ' '; docker rm tl
docker run --rm --sig-proxy=false bb echo sp; docker run --rm --no-healthcheck bb echo nh
docker run --rm --init --pid host bb echo ok 2>/dev/null
docker run --rm --read-only -v ro:/data bb sh -c 'echo x > /data/x && cat /data/x; echo y > /y' 2>/dev/null; docker volume rm ro
docker run --rm --read-only bb sh -c 'echo x > /dev/shm/x && cat /dev/shm/x; echo y > /etc/hosts && echo hosts; touch /run/x 2>/dev/null || echo ro'
docker run --rm --tmpfs /tmp:noexec bb sh -c 'cp /bin/busybox /tmp/b; /tmp/b true' 2>/dev/null; echo $?
docker run --rm --tmpfs /tmp:exec bb sh -c 'cp /bin/busybox /tmp/b; /tmp/b echo ran' 2>/dev/null
docker run --rm --tmpfs relative bb true 2>/dev/null; docker run --rm --tmpfs /x:bogus bb true 2>/dev/null
docker run --rm --device /dev/fuse:/dev/fuse:rwm bb sh -c 'ls -l /dev/fuse | cut -c1-10'; docker run --rm --device /dev/null:/dev/a:bogus bb true 2>/dev/null
docker run --rm --device-cgroup-rule 'c 10:229 rwm' bb true && echo rule; docker run --rm --device-cgroup-rule bogus bb true 2>/dev/null
docker run --rm --cap-drop ALL -u 1000 bb sh -c 'ping -c 1 127.0.0.1 >/dev/null 2>&1 && echo pinged || echo not'
docker run --rm -u 1000 bb sh -c 'nc -l -p 80 & sleep 0.2; kill $! && echo bound'
docker run --rm -u 65534:65534 -w / bb sh -c 'id; echo $HOME; touch /x' 2>/dev/null
docker run --rm -u 0:0 --group-add 1 --group-add 2 bb id
docker run --rm -e HOME=/x -e PATH=/bin bb sh -c 'echo $HOME $PATH'
docker run --rm -e TERM bb sh -c 'echo "[$TERM]"'; docker run --rm -t bb sh -c 'echo "[$TERM]"' | tr -d '\r'
docker run --rm --env-file /nosuch bb true 2>/dev/null; printf 'A B=1\n' > ef; docker run --rm --env-file ef bb true 2>/dev/null; printf 'A=1\r\nB="q"\n  C=3\nD\n=x\n' > ef; docker run --rm --env-file ef bb sh -c 'env | grep -E "^ *[ABCD]=" | od -c | head -3' 2>/dev/null
docker run --rm --label-file /nosuch bb true 2>/dev/null
docker run --rm --memory 20m bb sh -c 'x=$(head -c 60000000 /dev/zero | tr "\0" x); echo ${#x}' >/dev/null 2>&1; echo $?
docker run --name oom --memory 20m bb sh -c 'tail /dev/zero' >/dev/null 2>&1; echo $?; docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom; docker rm oom
docker run -d --name kk bb sleep 100 >/dev/null; docker kill -s 0 kk 2>/dev/null; docker kill -s SIGUSR1 kk; docker kill --signal 9 kk; docker inspect -f '{{.State.ExitCode}}' kk; docker rm kk
docker run -d --name pp bb sleep 100 >/dev/null; docker pause pp; docker kill pp; docker inspect -f '{{.State.Status}}' pp; docker rm pp
docker run -d --name pp bb sleep 100 >/dev/null; docker pause pp; docker rm pp 2>/dev/null; docker rm -f pp
docker run -d --name pp bb sleep 100 >/dev/null; docker pause pp; docker restart -t 0 pp 2>/dev/null; docker inspect -f '{{.State.Status}}' pp; docker rm -f pp
docker run -d --name pp bb sleep 100 >/dev/null; docker pause pp; docker commit pp pimg | wc -c; docker inspect -f '{{.State.Status}}' pp; docker cp pp:/etc/passwd - | wc -c | xargs test 1000 -lt && echo copied; docker unpause pp; docker rm -f pp; docker rmi pimg >/dev/null
docker run -d --name rr --restart always bb sleep 100 >/dev/null; docker stop -t 0 rr; sleep 0.4; docker inspect -f '{{.State.Status}} {{.RestartCount}}' rr; docker start rr; docker kill rr; sleep 0.8;  docker inspect -f '{{.State.Status}}' rr; docker rm -f rr
docker run -d --name rr --restart unless-stopped bb sh -c 'exit 0' >/dev/null; sleep 1.2; docker inspect -f '{{.RestartCount}}' rr | xargs test 1 -le && echo restarted; docker update --restart no rr; sleep 1.5; docker inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.State.Running}}' rr; docker rm -f rr
docker run -d --name h1 --health-cmd 'exit 1' --health-interval 100ms --health-retries 2 --health-start-period 0s bb sleep 100 >/dev/null; sleep 1.2; docker inspect -f '{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}}' h1; docker ps --filter health=unhealthy --format '{{.Names}} {{.Status}}' | sed 's/Up.*(/(/'; docker stop -t 0 h1; docker inspect -f '{{.State.Health.Status}}' h1; docker rm h1
docker run -d --name h2 --health-cmd 'sleep 5' --health-interval 100ms --health-timeout 200ms --health-retries 1 bb sleep 100 >/dev/null; sleep 1.5; docker inspect -f '{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}' h2; docker rm -f h2
docker run --rm --health-interval bogus bb true 2>/dev/null; docker run --rm --health-interval 1us --health-cmd x bb true 2>/dev/null; docker run --rm --health-retries -1 bb true 2>/dev/null; docker run --rm --no-healthcheck --health-cmd x bb true 2>/dev/null
docker network create --subnet 10.88.0.0/24 --ip-range 10.88.0.64/26 --aux-address a=10.88.0.65 nx >/dev/null; docker run -d --name x1 --network nx bb sleep 100 >/dev/null; docker inspect -f '{{.NetworkSettings.Networks.nx.IPAddress}} {{.NetworkSettings.Networks.nx.IPPrefixLen}} {{.NetworkSettings.Networks.nx.Gateway}}' x1; docker run --rm --network nx --ip 10.88.0.200 bb hostname -i; docker run --rm --network nx --ip 10.99.0.1 bb true 2>/dev/null; docker rm -f x1; docker network rm nx
docker network create --subnet bogus b1 2>/dev/null; docker network create --subnet 10.1.0.0/33 b1 2>/dev/null; docker network create --gateway 10.1.0.1 b1 2>/dev/null; docker network create -d nosuch b1 2>/dev/null; docker network create bridge 2>/dev/null; docker network create host 2>/dev/null; docker network ls -q | wc -l
docker network create n2 >/dev/null; docker run -d --name x1 --network n2 --hostname hh bb sleep 100 >/dev/null; docker run --rm --network n2 bb sh -c 'nslookup x1 2>/dev/null | grep -c Address; nslookup hh >/dev/null 2>&1; echo $?'; docker exec x1 sh -c 'grep -c nameserver /etc/resolv.conf; grep nameserver /etc/resolv.conf'; docker network rm n2 2>/dev/null; docker rm -f x1; docker network rm n2
docker network create n3 >/dev/null; docker create --name x1 bb sleep 100 >/dev/null; docker network connect --alias al n3 x1; docker start x1; docker inspect -f '{{range $k,$v := .NetworkSettings.Networks}}{{$k}} {{end}}' x1; docker run --rm --network n3 bb ping -c1 -w2 al >/dev/null && echo alias; docker network connect n3 x1 2>/dev/null; docker network disconnect n3 x1; docker network disconnect n3 x1 2>/dev/null; docker rm -f x1; docker network rm n3
docker run -d --name p1 -p 28080:80 bb httpd -f -h /etc >/dev/null; sleep 0.3; busybox wget -q -O - http://127.0.0.1:28080/passwd | head -1; busybox wget -q -O - http://$(docker inspect -f '{{.NetworkSettings.IPAddress}}' p1)/passwd | head -1; docker stop -t 0 p1; busybox wget -q -O - http://127.0.0.1:28080/passwd 2>/dev/null; docker start p1; sleep 0.3; busybox wget -q -O - http://127.0.0.1:28080/passwd | wc -l | xargs test 1 -lt && echo again; docker rm -f p1
docker run -d --name p2 -P --expose 7000-7002 bb sleep 100 >/dev/null; docker port p2 | cut -d' ' -f1 | sort -u; docker rm -f p2
docker cp nosuch:/x . 2>/dev/null; docker cp . 2>/dev/null; docker cp a b 2>/dev/null; docker cp a:x b:y 2>/dev/null; docker create --name c1 bb true >/dev/null; echo 1 > f1; docker cp f1 c1:/newdir/ 2>/dev/null; docker cp f1 c1:/renamed; docker cp c1:/renamed - | tar xO; docker cp f1 c1:/etc/passwd/x 2>/dev/null; docker cp c1:/etc ./newname; ls newname | grep -c passwd; docker cp c1:/etc/. ./contents 2>/dev/null; ls contents | grep -c passwd; docker cp -L c1:/bin/sh ./sh; test -s sh && echo sh; docker cp c1:/bin/sh ./shl; test -L shl && echo link; docker rm c1
mkdir -p cpd/sub; ln -s sub cpd/l; ln -s /nosuch cpd/dead; touch cpd/sub/f; chmod 640 cpd/sub/f; docker create --name c2 bb true > /dev/null; docker cp cpd c2:/; docker cp c2:/cpd - | tar tv | awk '{print $1,$6,$7,$8}' | sort; docker cp cpd/. c2:/tmp; docker cp c2:/tmp - | tar t | sort; docker rm c2
docker run --rm -v "$PWD/nosuchfile:/x/f" bb stat -c %F /x/f; rmdir nosuchfile
docker run --rm -w /new/dir bb sh -c 'pwd; stat -c "%u %a" .'; docker run --rm -u 1000 -w /new2 bb sh -c 'stat -c "%u" .; touch x' 2>/dev/null
docker run -d --name ex bb sleep 100 >/dev/null; docker exec ex 2>/dev/null; docker exec -e 'A B' ex env 2>/dev/null | grep -c A; docker exec -u 1000 ex grep CapEff /proc/self/status; docker exec -d ex sh -c 'exit 3'; echo $?; docker rm -f ex
docker build -t q - <<< $'FROM bb\nRUN test -t 0 || echo notty\nRUN env | grep -c PATH' 2>&1 >/dev/null | wc -l >/dev/null; docker run --rm q echo built; docker rmi q | wc -l
docker create --name i1 --ip6 bogus bb true 2>/dev/null; docker create --name i1 --cpus bogus bb true 2>/dev/null; docker create --name i1 --blkio-weight 5 bb true 2>/dev/null; docker create --name i1 --memory-swappiness 200 bb true 2>/dev/null; docker create --name i1 --stop-timeout bogus bb true 2>/dev/null; docker create --name i1 --ulimit nofile bb true 2>/dev/null; docker create --name i1 --pids-limit bogus bb true 2>/dev/null; docker create --name i1 -p bb true 2>/dev/null; docker create --name i1 --platform bogus bb true 2>/dev/null; docker ps -aq -f name=i1 | wc -l
docker images -a --format '{{.Repository}}' bb; docker images 'b*' --format '{{.Repository}}'; docker images nosuch -q; docker images bb:latest --format '{{.Tag}}'; docker images --digests | head -1 | tr -s ' '; docker images -f before=bb -q | wc -l >/dev/null; docker images -f label=nosuch -q; docker image ls --no-trunc -q bb | cut -c1-7
docker logs --tail 0 nosuch 2>/dev/null; docker run --name lg bb sh -c 'for i in 1 2 3 4 5; do echo $i; done; sleep 0.2; echo e >&2' 2>/dev/null >/dev/null; docker logs --tail 2 lg 2>/dev/null; docker logs -n 1 lg 2>&1; docker logs --since 2999-01-01 lg; docker logs --until 2000-01-01T00:00:00 lg; docker logs --since bogus lg 2>/dev/null; docker logs -f lg 2>/dev/null | wc -l; docker logs --details lg 2>/dev/null | head -1; docker rm lg
docker create --name cw bb true >/dev/null; echo 1 > ow; chown 12:34 ow; mkdir owd; cp -a ow owd/f; docker cp ow cw:/f1; docker cp owd cw:/d; docker cp cw:/f1 - | tar tv --numeric-owner | cut -d' ' -f2; docker cp cw:/d - | tar tv --numeric-owner | awk '{print $2,$6}'; docker cp cw:/f1 back; stat -c %u:%g back; docker rm cw
docker create --name cw bb true >/dev/null; echo new > nw; mkdir ln; ln -s f ln/l; ln -s made ln/dead; echo old > ln/f; docker cp ln cw:/; docker cp nw cw:/ln/l; docker cp nw cw:/ln/dead; docker cp cw:/ln - | tar tv | awk '{print $1,$3,$6,$7,$8}' | sort; docker cp cw:/ln/f ln/l; readlink ln/l; cat ln/f; docker rm cw
docker create --name mw -v v1:/a:ro,nocopy -v "$PWD":/b/c -v /e --mount type=volume,source=v2,target=/d,readonly,volume-nocopy --mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770 --mount type=bind,source=/etc,target=/f,readonly,bind-propagation=rprivate bb true >/dev/null; docker inspect -f '{{json .HostConfig.Binds}}' mw | sed "s#$PWD##"; docker inspect -f '{{json .HostConfig.Mounts}} {{json .Config.Volumes}} ' mw; docker inspect -f '{{range .Mounts}}{{println .Destination .Type .Mode .RW}}{{end}}' mw | sort; docker rm -v mw; docker volume rm v1 v2
docker run --rm --mount dst=/t,readonly bb true 2>/dev/null; docker run --rm --mount type=volume,src=vl,dst=/t,volume-label=a=b,volume-label=c bb true; docker volume inspect -f '{{json .Labels}} {{json .Options}}' vl; docker volume rm vl; docker run --rm --mount type=volume,src=vl,dst=/t,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=64k bb sh -c 'df -k /t | tail -1 | awk "{print \$2}"; stat -c %a /t'; docker volume inspect -f '{{json .Options}}' vl; docker volume rm vl
docker run --rm --tmpfs /home --tmpfs /tmp --tmpfs /nt --tmpfs /nt2:mode=700 bb stat -c '%n %a' /home /tmp /nt /nt2; docker run --rm -v /x -v /x --tmpfs /y --tmpfs /y:size=1m bb sh -c 'grep -c " /y " /proc/mounts'; docker run --rm -v /x:/x -v /tmp:/x bb true 2>/dev/null
printf 'FROM bb\nVOLUME /data /more\n' | docker build -qt vw - >/dev/null 2>&1; docker create --name vw -v named:/data vw true >/dev/null; docker inspect -f '{{json .Config.Volumes}} {{json .HostConfig.Binds}}' vw; docker create --name vx --volumes-from vw:ro vw true >/dev/null; docker inspect -f '{{json .HostConfig.VolumesFrom}} {{json .HostConfig.Binds}} {{range .Mounts}}{{.Destination}} {{.RW}} {{end}}' vx | tr ' ' '\n' | sort; docker rm -v vw vx; docker volume rm named; docker rmi vw >/dev/null
docker network create nw >/dev/null; docker run -d --name db --network nw bb sleep 100 >/dev/null; docker run -d --name ap bb sleep 100 >/dev/null; docker network connect nw ap && docker exec ap ping -c1 -W1 db >/dev/null && echo found; docker network disconnect nw ap; docker exec ap sh -c 'ls /sys/class/net | tr "\n" " "'; docker network connect --link db:store nw ap; docker exec ap ping -c1 -W1 store >/dev/null && echo linked; docker rm -f ap db; docker network rm nw
docker run -d --name hn --network host bb sleep 100 >/dev/null; docker inspect -f '{{range $k,$v := .NetworkSettings.Networks}}{{$k}} {{$v.IPAddress}}{{end}}' hn; docker network inspect -f '{{range .Containers}}{{.Name}}{{end}}' host none; docker rm -f hn; docker network ls --format '{{.Name}} {{.Driver}}' | sort
docker run -d --name la --network none bb sleep 100 >/dev/null; docker run --rm --link la bb true 2>/dev/null; docker kill la; docker run --rm --link la:x bb true 2>/dev/null; echo $?; docker rm la
